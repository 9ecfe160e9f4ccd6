"""Protocol revisions and what goes with them."""

from typing import Final

LATEST: Final = "2025-11-25"
SUPPORTED: Final = frozenset({"2025-06-18", LATEST})
"""Legacy revisions that are spoken; 2025-03-26 is not negotiated, for it needs batches."""

PRIMED_SINCE: Final = "2025-11-25"
"""Clients of earlier revisions may take an event without data for a broken message."""

SESSION_HEADER: Final = b"mcp-session-id"


def negotiate(requested: str) -> str:
    """The revision to answer an `initialize` with: the requested one where it is spoken, else the latest."""
    return requested if requested in SUPPORTED else LATEST


def has_priming(version: str) -> bool:
    """Whether clients of a revision know events that have an id and no data."""
    return version >= PRIMED_SINCE
