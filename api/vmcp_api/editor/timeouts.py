"""The bound of one call, as editors write it without a unit.

Cline and Roo count in seconds and take up to an hour; Claude Code, Copilot, Gemini and OpenCode count in milliseconds.
No number up to 3600 is meant in milliseconds, as no tool is expected to answer within 3.6 s at most; and none above is
meant in seconds by those who refuse it (ADR-0033).
"""

from typing import Final

from vmcp_api.base import Json
from vmcp_api.text.durations import parse_duration

MOST_SECONDS: Final = 3600
"""The greatest number that counts seconds."""

LONGEST: Final = 86_400.0
"""The longest bound of a call that a config may have, in seconds."""


def read_timeout(key: str, value: Json) -> float | None:
    """Seconds, at most ``LONGEST``; None where the value is no bound.

    The key decides where it names a unit; a text may name one too (``90s``).
    """
    if isinstance(value, dict):
        # OpenCode parts the bound of a request from that of the start.
        value = value.get("request")
    if isinstance(value, str):
        value = _read_text(value)
        if isinstance(value, float):
            return _bounded(value)
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    in_seconds = key.endswith("_sec") or (not key.endswith("Ms") and value <= MOST_SECONDS)
    return _bounded(value if in_seconds else value / 1000)


def _read_text(text: str) -> int | float | None:
    """The number of a text, or its seconds as a float where it has a unit."""
    try:
        return int(text) if text.strip().isdecimal() and len(text) <= len("86400000") else parse_duration(text.strip())
    except ValueError:
        return None


def _bounded(seconds: float) -> float | None:
    return min(float(seconds), LONGEST) if seconds > 0 else None
