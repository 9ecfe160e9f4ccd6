"""Who hears of searches, for metrics."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Final, Protocol

_RANKS: Final = 8


class SearchOutcome(StrEnum):
    """What became of a search; `WEAK` where everything found has little in common with the query."""

    FOUND = "found"
    WEAK = "weak"
    EMPTY = "empty"
    FAILED = "failed"


class SearchObserver(Protocol):
    """Counts searches (`observability.metrics.Metrics`)."""

    def on_search(self, outcome: str) -> None:
        """Hears what became of one search."""

    def on_found_call(self, rank: str) -> None:
        """Hears that a tool is called by `call_tool`, and which rank the client's last search has given it."""


def rank_of(name: str, found: Sequence[str]) -> str:
    """The rank of a tool among the last ones found, as a bounded label: `1` to `8`, `later`, or `none`."""
    if name not in found:
        return "none"
    rank = found.index(name) + 1
    return str(rank) if rank <= _RANKS else "later"
