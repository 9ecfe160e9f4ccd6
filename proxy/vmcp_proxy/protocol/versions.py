"""Protocol revisions and what goes with them."""

from typing import Final

LATEST: Final = "2025-11-25"

MODERN: Final = "2026-07-28"
"""The revision without sessions: every request says of itself what a session would."""

CLIENT_REVISIONS: Final = frozenset({"2024-11-05", "2025-03-26", "2025-06-18", LATEST})
"""Legacy revisions that sessions of clients speak."""

SPOKEN: Final = (MODERN, *sorted(CLIENT_REVISIONS, reverse=True))
"""All that clients may speak, the newest first: whoever knows none of the later ones finds one with sessions."""

BACKEND_REVISIONS: Final = CLIENT_REVISIONS | {"2024-10-07"}
"""Legacy revisions that backends may answer with, whatever their transport: all that SDK clients take (ADR-0029)."""

PRIMED_SINCE: Final = "2025-11-25"
"""Clients of earlier revisions may take an event without data for a broken message."""

BATCHES_BEFORE: Final = "2025-06-18"
"""The revision that took JSON-RPC batches out of MCP."""

SESSION_HEADER: Final = b"mcp-session-id"


def negotiate(requested: str) -> str:
    """The revision to answer an `initialize` with: the requested one where it is spoken, else the latest."""
    return requested if requested in CLIENT_REVISIONS else LATEST


def has_priming(version: str) -> bool:
    """Whether clients of a revision know events that have no data."""
    return version >= PRIMED_SINCE


def has_batches(version: str) -> bool:
    """Whether a message of a revision may be an array of messages."""
    return version < BATCHES_BEFORE
