"""JSON of anybody's as values: what they take in memory is told before, and no number becomes another."""

import json
from typing import Any, Final, NoReturn

_VALUE_BYTES: Final = 64
"""Of each value beside its characters: an object's head, and the place where it is referred to."""


class RangeError(ValueError):
    """A number is too large for what values hold: as infinity it would be written as null."""

    def __init__(self) -> None:
        super().__init__("a number that is too large")


def weight_of(text: str | bytes) -> int:
    """Bytes that a JSON text may take once it is decoded, commas in its strings among them.

    `[[],[],…]` takes twenty times its bytes.
    """
    if isinstance(text, str):
        return len(text) + _VALUE_BYTES * (text.count(",") + text.count("[") + text.count("{"))
    return len(text) + _VALUE_BYTES * (text.count(b",") + text.count(b"[") + text.count(b"{"))


def load_json(text: str | bytes) -> Any:
    """What a JSON text says; also half a surrogate pair, which stricter readers refuse.

    Raises:
        RangeError: it holds a number beyond 64 bits of binary floating point.
        ValueError, RecursionError: it is no JSON.
    """
    return json.loads(text, parse_float=_finite, parse_constant=_refuse)


def _finite(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise RangeError
    return number


def _refuse(name: str) -> NoReturn:
    raise ValueError(name)
