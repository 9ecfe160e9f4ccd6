"""JSON as Cedar's values: what it cannot hold is named, never left out in silence (ADR-0041)."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Final

_ESCAPES: Final = frozenset({"__entity", "__extn", "__expr"})
"""Members by which Cedar's JSON says that an object is no record: a peer's must not be taken for such."""

_DEEPEST: Final = 16
_MOST: Final = 2**63 - 1
_DIGITS: Final = 19
_PLACES: Final = 4
"""Digits behind the point of Cedar's decimals, which are 64-bit integers of ten-thousandths."""


class UnholdableError(ValueError):
    """Cedar has no value for it."""


class Pairs(tuple[tuple[str, object], ...]):
    """An object as it was written, repeated members included."""

    __slots__ = ()


def to_value(value: object, *, null_is_absent: bool = False, depth: int = 0) -> object:  # noqa: PLR0911 - by type
    """A JSON value as Cedar's JSON has it: integers are longs (`5.0` is 5), fractions of four places decimals.

    Arrays are sets and objects records. `null_is_absent` leaves null members and elements out.

    Raises:
        UnholdableError: Cedar cannot hold it, or two readers could take it for two things.
    """
    if depth > _DEEPEST:
        raise UnholdableError
    match value:
        case bool():
            return value
        case str():
            return _text(value)
        case int():
            return _long(value)
        case float():
            return _number(Decimal(repr(value)))
        case Decimal():
            return _number(value)
        case Pairs():
            return _record(value, null_is_absent=null_is_absent, depth=depth)
        case Mapping():
            return _record(value.items(), null_is_absent=null_is_absent, depth=depth)
        case list() | tuple() | set() | frozenset():
            kept = [each for each in value if each is not None] if null_is_absent else value
            return [to_value(each, null_is_absent=null_is_absent, depth=depth + 1) for each in kept]
        case _:
            raise UnholdableError


def _text(value: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise UnholdableError from None
    return value


def _long(value: int) -> int:
    if not -_MOST - 1 <= value <= _MOST:
        raise UnholdableError
    return value


def _number(value: Decimal) -> object:
    if not value.is_finite() or (value and not -_DIGITS <= value.adjusted() < _DIGITS):
        raise UnholdableError
    if value == value.to_integral_value():
        return _long(int(value))
    shifted = value.scaleb(_PLACES)
    if len(value.as_tuple().digits) > _DIGITS * 2 or shifted != shifted.to_integral_value():
        raise UnholdableError
    _long(int(shifted))
    return {"__extn": {"fn": "decimal", "arg": format(value.quantize(Decimal(1).scaleb(-_PLACES)), "f")}}


def _record(members: Iterable[tuple[object, object]], *, null_is_absent: bool, depth: int) -> dict[str, object]:
    record: dict[str, object] = {}
    for name, value in members:
        if not isinstance(name, str) or name in _ESCAPES or name in record:
            raise UnholdableError
        if value is not None or not null_is_absent:
            record[_text(name)] = to_value(value, null_is_absent=null_is_absent, depth=depth + 1)
    return record
