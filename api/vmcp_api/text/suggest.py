"""What a person may have meant by a name that does not exist."""

import difflib
from collections.abc import Collection

from vmcp_api.manifests.problems import shorten

_LISTED = 12


def suggest(written: str, known: Collection[str], *, noun: str) -> str:
    """A remedy: the closest known name, else what there is (``noun`` in the plural, such as ``keys``)."""
    if not known:
        return f"there are no {noun}"
    close = closest(written, known)
    if close is not None:
        return f"did you mean {shorten(close)!r}?"
    return list_known(known, noun=noun)


def list_known(known: Collection[str], *, noun: str) -> str:
    """What there is, as a remedy; the first of many."""
    listed = sorted(known)
    more = f" and {len(listed) - _LISTED} more" if len(listed) > _LISTED else ""
    return f"known {noun}: {', '.join(map(shorten, listed[:_LISTED]))}{more}"


def closest(written: str, known: Collection[str]) -> str | None:
    """The known name that is most like the written one; None where none is."""
    folded = {fold(name): name for name in sorted(known, reverse=True)}
    close = folded.get(fold(written))
    if close is None:
        found = difflib.get_close_matches(fold(written)[:64], folded, n=1, cutoff=0.6)
        close = folded[found[0]] if found else None
    return close


def fold(name: str) -> str:
    """A name without case and separators, so that ``group_ref`` meets ``groupRef``."""
    return name.replace("_", "").replace("-", "").lower()
