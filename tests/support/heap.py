"""What is alive in this process, for tests that look for secrets and leaks.

What collecting the tests leaves is there to the end: modules, tests, their parameters, half a million objects. The
garbage collector passes them by from then on (`set_aside`), or each look would take a second; searches do not. What
functions have as constants is no find: the mark that one test looks for stands in another test as well.
"""

import gc
import types
from itertools import compress, filterfalse
from typing import Any

import msgspec

_set_aside: list[object] = []
_plain: dict[int, object] = {}
"""By their ids, tuples that nothing can be put into any more, nor into what they hold."""


def set_aside() -> None:
    """Tells the collector that what is alive now stays."""
    gc.collect()
    alive = gc.get_objects()
    written = _constants([each.__code__ for each in alive if isinstance(each, types.FunctionType)])
    _set_aside[:] = [each for each in alive if each is not _set_aside and id(each) not in written]
    holders = _set_aside
    while holders := [each for each in gc.get_referents(*holders) if type(each) is tuple and not gc.is_tracked(each)]:
        _plain.update((id(each), each) for each in holders)
    gc.freeze()


def _constants(codes: list[types.CodeType]) -> set[int]:
    """The ids of the tuples in which functions, and those within them, have their constants."""
    written: set[int] = set()
    further: list[object] = [code.co_consts for code in codes]
    while further:
        each = further.pop()
        if isinstance(each, types.CodeType):
            further.append(each.co_consts)
        elif isinstance(each, tuple) and id(each) not in written:
            written.add(id(each))
            further += each
    return written


def objects() -> list[object]:
    """Every object that may hold others, once the garbage is collected."""
    gc.collect()
    return [*_set_aside, *gc.get_objects()]


def held_with(*marks: bytes) -> list[bytes | bytearray]:
    """The byte strings with one of these in them that anything in the process holds; not the arguments themselves.

    Raw JSON counts as one, whose whole message it may keep. Structs that the collector does not track are looked into.
    """
    given = {id(mark) for mark in marks}
    kinds, structs = {*_kinds(bytes), *_kinds(bytearray)}, {*_kinds(msgspec.Struct)}
    closed = {*structs, tuple, dict}
    sought = {*kinds, *closed, msgspec.Raw}
    found: list[bytes | bytearray] = []
    seen: set[int] = set()
    holders = objects()
    while holders:
        held = _of(sought, _held_by(holders, structs))
        values = [each for each in _of(kinds, held) if id(each) not in given]
        values += map(bytes, _of({msgspec.Raw}, held))
        found += [each for each in values if any(mark in each for mark in marks)]
        # Tuples and dicts of plain values are not among the collector's objects, nor are many structs.
        further = {id(each): each for each in filterfalse(gc.is_tracked, _of(closed, held))}
        holders = [each for number, each in further.items() if number not in seen and number not in _plain]
        seen.update(map(id, holders))
    return found


def _held_by(holders: list[object], structs: set[type]) -> list[object]:
    """What they refer to; of structs that the collector cannot look into, what their members are."""
    closed = [each for each in _of(structs, holders) if not each.__struct_config__.gc]
    members = [getattr(each, name, None) for each in closed for name in each.__struct_fields__]
    return [*gc.get_referents(*holders), *members]


def _of(kinds: set[type], objects: list[Any]) -> list[Any]:
    """Those of exactly these types; no loop of Python's, for there are millions."""
    return list(compress(objects, map(kinds.__contains__, map(type, objects))))


def _kinds(kind: type) -> list[type]:
    """A type and all that are derived from it."""
    return [kind, *(each for derived in kind.__subclasses__() for each in _kinds(derived))]
