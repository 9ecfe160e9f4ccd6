"""Durations as Go and Kubernetes write them, exact to the nanosecond."""

import re
from decimal import Decimal
from typing import Final

from pydantic import ValidationInfo

PATTERN: Final = r"^([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+$"
"""What the schema of a duration says; Go's negative and bare forms are left out."""

MAX_LENGTH: Final = 32
"""Longest text of a duration, in characters."""

NO_DURATION: Final = "is no duration; write a number with a unit, such as 500ms, 30s or 1h30m"
"""What is answered to any other text."""

_UNITS: Final = {
    "ns": 1,
    "us": 10**3,
    "µs": 10**3,
    "ms": 10**6,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
}
_PART: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ns|us|µs|ms|s|m|h)")
_WRITTEN: Final = ("h", "m", "s", "ms", "us", "ns")


def parse_duration(value: object) -> float:
    """Seconds of a duration such as ``500ms``, ``30s`` or ``1h30m``; a number counts as seconds already.

    Raises:
        ValueError: the text is no duration; the message shows the form.
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, str) or len(value) > MAX_LENGTH or not re.fullmatch(PATTERN, value):
        raise ValueError(NO_DURATION)
    nanos = sum(Decimal(number) * _UNITS[unit] for number, unit in _PART.findall(value))
    return float(Decimal(nanos) / 10**9)


def validate_duration(value: object, info: ValidationInfo) -> float:
    """As ``parse_duration``, but a document (JSON mode) has to write the unit, as the schema says."""
    if info.mode == "json" and not isinstance(value, str):
        raise ValueError(NO_DURATION)
    return parse_duration(value)


def compare_durations(left: str, sign: str, right: str) -> str:
    """A CEL rule that says nothing of texts that are no durations, whose form is told elsewhere.

    Without that, CEL's own errors stand beside the answer that helps.
    """
    texts = [text for text in (left, right) if not text.startswith("'")]
    is_none = [f"!{text}.matches(r'{PATTERN}')" for text in texts]
    return " || ".join([*is_none, f"duration({left}) {sign} duration({right})"])


def format_duration(seconds: float) -> str:
    """The shortest way to write a number of seconds, to the nanosecond, with Go's units."""
    rest = round(seconds * 10**9)
    parts: list[str] = []
    for unit in _WRITTEN:
        count, rest = divmod(rest, _UNITS[unit])
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"
