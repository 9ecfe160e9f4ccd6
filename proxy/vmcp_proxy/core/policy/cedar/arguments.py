"""The arguments of a call as policies read them; what a backend could take for another one is ill (ADR-0041)."""

import json
import re
from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation
from types import MappingProxyType
from typing import Any, Final, TypeAlias

import msgspec

from vmcp_proxy.core.policy.cedar.failures import FRACTIONS, NOT_JSON, TOO_LARGE, TOO_MANY
from vmcp_proxy.core.policy.cedar.reads import ARGUMENT, PRESENT, Reads, join
from vmcp_proxy.core.policy.cedar.values import Pairs, UnholdableError, to_value

Members: TypeAlias = Mapping[str, "Members"]
"""Names that policies read of a record, each with those that they read below it."""

_NONE: Final[frozenset[str]] = frozenset()
_NO_MEMBERS: Final[Members] = MappingProxyType({})
MOST_VALUES: Final = 10_000
"""Members and elements of a call's arguments, at all levels, that policies judge by."""

MOST_FRACTIONS: Final = 1000
"""Of those values, in what policies read: making and reading a decimal costs some 25 µs, ten times another value."""

MOST_BYTES: Final = 1 << 20
"""Of JSON, of those arguments that policies read; what else a call sends may be longer."""

_TEXT: Final = re.compile(rb'"[^"]*"')
_LONGEST_INTEGER: Final = 20
_HUGE: Final = object()
"""A number that is out of any range."""


class Wanted(msgspec.Struct, frozen=True):
    """What policies read of the arguments.

    `members` are the attributes (`arg_x`), each with the members that are read of it; `anywhere` are members that may
    be read of any of them, at any depth. `whole` where every argument counts. `folded` are the attributes by their
    case folding.
    """

    members: Members
    anywhere: frozenset[str]
    whole: bool
    folded: Mapping[str, frozenset[str]]


class Arguments(msgspec.Struct, frozen=True):
    """The arguments of one call as a policy's context has them; `ill` are names that policies cannot judge by.

    `flaw` is why nothing can be said of any of them, where that is so.
    """

    held: Mapping[str, object]
    ill: frozenset[str] = _NONE
    flaw: str = ""


NO_ARGUMENTS: Final = Arguments({})


def wanted_by(all_reads: Iterable[Reads]) -> Wanted:
    """What policies of which each reads one of these want to know of arguments."""
    reads = join(all_reads)
    members: dict[str, Any] = {}
    for path in reads.paths:
        level = members
        for name in path:
            level = level.setdefault(name, {})
    folded: dict[str, frozenset[str]] = {}
    for name in (*members, *(each for each in reads.members if each.startswith(ARGUMENT))):
        folded[name.casefold()] = folded.get(name.casefold(), _NONE) | {name}
    return Wanted(members, reads.members, reads.whole, folded)


def read_arguments(raw: bytes | None, wanted: Wanted) -> Arguments:
    """The arguments that policies read (`arg_x`), of all that were sent.

    As with ToolHive `arg_x_present` is true where the argument is an array, an object or null. Ill is what Cedar
    cannot hold, what stands there twice, and, at every level, what differs by case alone from a member beside it or
    from one that a policy reads: backends exist that would take it for the other one. So is an argument that would
    itself be an `arg_x_present`.
    """
    if raw is None:
        return NO_ARGUMENTS
    if _has_too_many(raw):
        return Arguments({}, flaw=TOO_MANY)
    pairs = _parsed(raw)
    if pairs is None:
        return NO_ARGUMENTS
    if not isinstance(pairs, Pairs) or (len(raw) > MOST_FRACTIONS and _has_too_many_fractions(pairs, wanted)):
        return Arguments({}, flaw=FRACTIONS if isinstance(pairs, Pairs) else NOT_JSON)
    held: dict[str, object] = {}
    ill: set[str] = set()
    seen: dict[str, frozenset[str]] = {}
    for name, value in pairs:
        counts = _counted(name, wanted, ill)
        if not counts:
            continue
        fold = name.casefold()
        if fold in seen:
            ill |= counts | seen[fold]
        seen[fold] = counts | seen.get(fold, _NONE)
        _hold(held, ill, name, value, wanted)
    if len(raw) > MOST_BYTES and len(msgspec.json.encode(held)) > MOST_BYTES:
        return Arguments({}, flaw=TOO_LARGE)
    return Arguments({name: value for name, value in held.items() if name not in ill}, frozenset(ill))


def attributes_of(raw: bytes) -> frozenset[str]:
    """All that a policy may read of these very arguments, whether or not it could judge by it."""
    pairs = _parsed(raw)
    names = [name for name, _ in pairs] if isinstance(pairs, Pairs) else []
    return frozenset(ARGUMENT + name + end for name in names for end in ("", PRESENT))


def _counted(name: str, wanted: Wanted, ill: set[str]) -> frozenset[str]:
    """The attributes that an argument of this name counts for; those that it only looks like are ill."""
    known = ARGUMENT + name
    counts = frozenset({known}) if wanted.whole else _NONE
    for attribute in (known, known + PRESENT):
        read = wanted.folded.get(attribute.casefold(), _NONE)
        counts |= read
        if attribute not in read:
            ill |= read
    return counts


def _hold(held: dict[str, object], ill: set[str], name: str, value: object, wanted: Wanted) -> None:
    known = ARGUMENT + name
    present = known + PRESENT
    if (value is None or isinstance(value, list | Pairs)) and (wanted.whole or present in wanted.members):
        held[present] = True
    if not wanted.whole and known not in wanted.members:
        return
    try:
        held[known] = to_value(value)
    except UnholdableError:
        ill.add(known)
    else:
        if name.endswith(PRESENT) or _is_ambiguous(value, wanted.members.get(known, _NO_MEMBERS), wanted.anywhere):
            ill.add(known)


def _is_ambiguous(value: object, read: Members, anywhere: frozenset[str]) -> bool:
    """Whether a member could be taken for one beside it, or for one that policies read there and is not it."""
    if isinstance(value, list):
        return any(_is_ambiguous(each, _NO_MEMBERS, anywhere) for each in value)
    if not isinstance(value, Pairs):
        return False
    names = {name for name, _ in value}
    folds = {name.casefold() for name in names}
    meant = {name.casefold() for name in (read.keys() | anywhere) - names}
    is_taken = len(folds) < len(value) or not folds.isdisjoint(meant)
    return is_taken or any(_is_ambiguous(inner, read.get(name, _NO_MEMBERS), anywhere) for name, inner in value)


def _has_too_many_fractions(pairs: Pairs, wanted: Wanted) -> bool:
    """Whether more of what policies read is no integer, at all levels, than `MOST_FRACTIONS`."""
    count = 0
    left = [value for name, value in pairs if wanted.whole or ARGUMENT + name in wanted.members]
    while left:
        match left.pop():
            case Decimal():
                count += 1
            case Pairs() as members:
                left += (inner for _, inner in members)
            case list() as values:
                left += values
    return count > MOST_FRACTIONS


def _has_too_many(raw: bytes) -> bool:
    """Whether there are more values than `MOST_VALUES`, by the commas; those within texts are not counted."""
    if raw.count(b",") <= MOST_VALUES:
        return False
    # Without what is escaped a text ends at the next quote: a pattern that knew escapes took seconds for 8 MiB.
    unescaped = raw.replace(rb"\\", b"").replace(rb"\"", b"")
    return _TEXT.sub(b"", unescaped).count(b",") > MOST_VALUES


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
    object_pairs_hook=Pairs, parse_int=_integer, parse_float=_fraction, parse_constant=lambda _: _HUGE
)
