"""What values take in memory, so that nothing is held, or decoded, that a workflow may not have."""

import sys
from collections.abc import Mapping
from typing import Any

import msgspec

from vmcp_api.templates import Budget, TemplateError
from vmcp_api.templates.decoding import RangeError, load_json
from vmcp_api.templates.weight import VALUE_BYTES, weight_of_json


def weight_of(raw: bytes | msgspec.Raw) -> int:
    """Bytes that raw JSON may take once it is decoded; see `weight_of_json`."""
    return weight_of_json(memoryview(raw))


def weight_of_values(value: object, most: int) -> int:
    """Bytes that values take, counted up to a little more than `most`."""
    weight, left = 0, [value]
    while left and weight <= most:
        each = left.pop()
        weight += VALUE_BYTES
        if isinstance(each, str):
            weight += _weight_of_text(each)
        elif isinstance(each, (dict, Mapping)):
            weight += sum(map(_weight_of_text, each))
            left.extend(each.values())
        elif isinstance(each, list | tuple):
            left.extend(each)
    return min(weight, most + 1)


def _weight_of_text(text: str) -> int:
    """What it takes, and what its UTF-8 takes that is kept beside it once it is written."""
    return len(text) if text.isascii() else 2 * sys.getsizeof(text)


def decode_json(raw: bytes | msgspec.Raw) -> Any:
    """JSON of anybody's as values; also what only lenient readers take, such as half a surrogate pair.

    Raises:
        RangeError: it holds a number that is too large.
        ValueError, RecursionError: it is no JSON.
    """
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return load_json(bytes(raw))


def read_json(text: str, budget: Budget) -> Any:
    """What a JSON text says that came as a value; None where it is none.

    Raises:
        TemplateError: it holds a number that is too large, or takes more memory than the budget has.
    """
    try:
        raw = text.encode()
        budget.decode(weight_of(raw))
        return decode_json(raw)
    except RangeError as error:
        raise TemplateError(f"a JSON text holds {error}") from None
    except (ValueError, RecursionError):
        return None
