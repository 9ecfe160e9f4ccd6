"""JSON of anybody's as values: no number becomes another."""

import json
from typing import Any, NoReturn


class RangeError(ValueError):
    """A number is too large for what values hold: as infinity it would be written as null."""

    def __init__(self) -> None:
        super().__init__("a number that is too large")


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
