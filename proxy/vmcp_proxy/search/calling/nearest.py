"""The names that are most like one that nothing bears; pure, and takes milliseconds for thousands of them."""

import difflib
from collections.abc import Sequence
from itertools import islice
from typing import Final

_MOST: Final = 5
_MOST_COMPARED: Final = 10_000
_LONGEST: Final = 64
"""Characters of a name that are compared: the time of a comparison grows with the product of both lengths."""

_LIKE: Final = 0.6


def nearest(written: str, known: Sequence[str]) -> tuple[str, ...]:
    """The known names that are most like the written one, best first; none where none is."""
    folded: dict[str, str] = {}
    for name in islice(known, _MOST_COMPARED):
        folded.setdefault(_fold(name), name)
    close = difflib.get_close_matches(_fold(written), folded, n=_MOST, cutoff=_LIKE)
    return tuple(folded[each] for each in close)


def _fold(name: str) -> str:
    """Without case and separators: models write `create-issue` for `create_issue`."""
    return name[:_LONGEST].lower().replace("_", "").replace("-", "").replace(".", "")
