"""The `instructions` of several servers as one text: a heading for each, bounded."""

from collections.abc import Mapping
from typing import Final

MOST_OF_ONE: Final = 4 << 10
MOST_IN_ALL: Final = 32 << 10
"""Characters: clients put the text into what a model reads at the start of every conversation."""

_CUT: Final = " […]"


def join_instructions(said: Mapping[str, str]) -> str:
    """What each server said under a heading with its name, in sorted order; empty where none said anything.

    A long text is cut, and marked where it was; when all together are too long, the last ones are left out.
    """
    sections: list[str] = []
    left = MOST_IN_ALL
    for name, text in sorted(said.items()):
        kept = text.strip()
        if not kept:
            continue
        if len(kept) > MOST_OF_ONE:
            kept = kept[: MOST_OF_ONE - len(_CUT)].rstrip() + _CUT
        section = f"## {name}\n\n{kept}"
        left -= len(section) + 2
        if left < 0:
            break
        sections.append(section)
    return "\n\n".join(sections)
