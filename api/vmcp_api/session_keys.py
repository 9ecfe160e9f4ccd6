"""Ids of session keys: how they rank, and which of them may sign where several pods share them (ADR-0068)."""

import re
from collections.abc import Collection, Iterable
from typing import Final

FIRST_KEY_ID: Final = "1"
"""The id of the key that the operator makes."""

KEY_ID_PATTERN: Final = r"^[A-Za-z0-9_-]{1,32}$"

_ID: Final = re.compile(KEY_ID_PATTERN)


def rank(key_id: str) -> tuple[bool, int, str]:
    """Sorts ids: decimal ones by value and above all others, which rank as text."""
    is_number = key_id.isascii() and key_id.isdecimal()
    return (is_number, int(key_id) if is_number else 0, key_id)


def choose_signing_key(rings: Iterable[Collection[str]], former: str | None) -> str | None:
    """The highest id that every ring has, so that whatever it signs is believed everywhere.

    `former` stays where there is no ring, or no id in common. What is no id does not count.
    """
    common: frozenset[str] | None = None
    for ring in rings:
        common = frozenset(ring) if common is None else common & frozenset(ring)
    return max(filter(_ID.fullmatch, common or ()), key=rank, default=former)
