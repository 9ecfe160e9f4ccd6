"""JSON as Cedar's values: what it cannot hold is named, never left out in silence (ADR-0041)."""

import json
from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final

import msgspec

ARGUMENT: Final = "arg_"
"""Stands before the names of arguments in a policy."""

_PRESENT: Final = "_present"
_ESCAPES: Final = frozenset({"__entity", "__extn", "__expr"})
"""Members by which Cedar's JSON says that an object is no record: a peer's must not be taken for such."""

_DEEPEST: Final = 16
_MOST: Final = 2**63 - 1
_LONGEST_INTEGER: Final = 20
_DIGITS: Final = 19
_PLACES: Final = 4
"""Digits behind the point of Cedar's decimals, which are 64-bit integers of ten-thousandths."""


class UnholdableError(ValueError):
    """Cedar has no value for it."""


class _Pairs(tuple[tuple[str, object], ...]):
    """An object as it was written, repeated members included."""

    __slots__ = ()


_HUGE: Final = object()
"""A number that is out of any range."""


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
        case _Pairs():
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


class Arguments(msgspec.Struct, frozen=True):
    """The arguments of one call as a policy's context has them; `ill` are names that policies cannot judge by.

    `is_readable` is False where nothing can be said of any of them.
    """

    held: Mapping[str, object]
    ill: frozenset[str] = frozenset()
    is_readable: bool = True


NO_ARGUMENTS: Final = Arguments({})


def read_arguments(raw: bytes | None, names: frozenset[str] | None) -> Arguments:
    """The arguments that policies read (`arg_x`), of all that were sent; None stands for every name.

    As with ToolHive `arg_x_present` is true where the argument is an array, an object or null. Ill is what Cedar
    cannot hold, what stands there twice, and what differs by case alone from a name that a policy reads: backends
    exist that would take it for the other one.
    """
    if raw is None:
        return NO_ARGUMENTS
    pairs = _parsed(raw)
    if pairs is None:
        return NO_ARGUMENTS
    if not isinstance(pairs, _Pairs):
        return Arguments({}, is_readable=False)
    held: dict[str, object] = {}
    ill: set[str] = set()
    folded = {} if names is None else {name.casefold(): name for name in names}
    for name, value in pairs:
        known = ARGUMENT + name
        present = known + _PRESENT
        if (value is None or isinstance(value, list | _Pairs)) and (names is None or present in names):
            _hold(held, ill, present, True)  # noqa: FBT003 - the value of the attribute
        if names is None or known in names:
            _hold(held, ill, known, value)
        elif (meant := folded.get(known.casefold())) is not None:
            ill.add(meant)
    return Arguments({name: value for name, value in held.items() if name not in ill}, frozenset(ill))


def _hold(held: dict[str, object], ill: set[str], name: str, value: object) -> None:
    if name in held or name in ill:
        ill.add(name)
        return
    try:
        held[name] = to_value(value)
    except UnholdableError:
        ill.add(name)


def _parsed(raw: bytes) -> object:
    try:
        return _decode(raw.decode())
    except (ValueError, RecursionError):
        return _HUGE


def _integer(text: str) -> object:
    return int(text) if len(text) <= _LONGEST_INTEGER else _HUGE


def _fraction(text: str) -> object:
    try:
        return Decimal(text)
    except InvalidOperation:
        return _HUGE


def _decode(text: str) -> Any:
    return _DECODER.decode(text)


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_Pairs, parse_int=_integer, parse_float=_fraction, parse_constant=lambda _: _HUGE
)
