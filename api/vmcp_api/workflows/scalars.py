"""Scalars as the type that somebody wants: `"3"` for an integer, 3 for a string, and nothing that would guess."""

import re
from typing import Final, TypeAlias

from vmcp_api.base import Json

Scalar: TypeAlias = str | int | float | bool

_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,400}")
_NUMBER: Final = re.compile(r"[+-]?(?:[0-9]{1,400}(?:\.[0-9]{0,400})?|\.[0-9]{1,400})(?:[eE][+-]?[0-9]{1,4})?")
_TRUTHS: Final = {
    **dict.fromkeys(("true", "True", "TRUE", "t", "T", "1"), True),
    **dict.fromkeys(("false", "False", "FALSE", "f", "F", "0"), False),
}
"""As Go reads them, and so ToolHive."""

_TYPES: Final[dict[str, type | tuple[type, ...]]] = {
    "string": str,
    "boolean": bool,
    "integer": int,
    "number": (int, float),
    "object": dict,
    "array": list,
    "null": type(None),
}

_LONGEST_FLOAT: Final = 1e21
"""From here on whole numbers are written with an exponent."""


def is_of(value: Json, name: str) -> bool:
    """Whether a value is of a type of JSON Schema, by its name."""
    types = _TYPES.get(name, ())
    return isinstance(value, types) and (name == "boolean" or not isinstance(value, bool))


def as_type(value: Json, name: str) -> Scalar | None:
    """A scalar as one of that type; None where it says none, and for what is no scalar.

    Nothing is lost: 3.0 is an integer, 3.5 and "3.5" are none.
    """
    if not isinstance(value, str | int | float):
        return None
    match name:
        case "string":
            return text_of(value)
        case "integer":
            return _integer(value)
        case "number":
            return _number(value)
        case "boolean":
            return _TRUTHS.get(value) if isinstance(value, str) else None
    return None


def text_of(value: Scalar) -> str:
    """A scalar as text, numbers and truth values as JSON writes them."""
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case float() if value.is_integer() and abs(value) < _LONGEST_FLOAT:
            return str(int(value))
    return repr(value)


def _integer(value: Scalar) -> int | None:
    match value:
        case bool():
            return None
        case int():
            return value
        case float():
            return int(value) if value.is_integer() else None
    return int(value) if _INTEGER.fullmatch(value) else None


def _number(value: Scalar) -> int | float | None:
    match value:
        case bool():
            return None
        case int() | float():
            return value
    if _INTEGER.fullmatch(value):
        return int(value)
    number = float(value) if _NUMBER.fullmatch(value) else float("inf")
    return number if abs(number) != float("inf") else None
