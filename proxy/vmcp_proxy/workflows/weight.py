"""What values take in memory, so that nothing is held, or decoded, that a workflow may not have."""

from typing import Any

import msgspec

from vmcp_api.templates import Budget, TemplateError
from vmcp_api.templates.decoding import RangeError, load_json
from vmcp_api.templates.decoding import weight_of as weight_of_text


def weight_of(raw: bytes | msgspec.Raw) -> int:
    """Bytes that raw JSON may take once it is decoded."""
    return weight_of_text(bytes(raw))


def weight_of_values(value: object, most: int) -> int:
    """Bytes that values take, counted up to a little more than `most`."""
    budget = Budget(size=most)
    try:
        budget.measure(value)
    except TemplateError:
        return most + 1
    return budget.size


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
