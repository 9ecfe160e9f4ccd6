"""What is alive in this process, for tests that look for secrets and leaks.

What collecting the tests leaves is there to the end: modules, tests, their parameters, half a million objects. The
garbage collector passes them by from then on (`set_aside`), or each look would take a second. Searches look into them,
save what belongs to pytest and what is of a kind that takes nothing in later, such as the constants of functions: the
mark that one test looks for stands in another test as well.
"""

import gc
import types
from itertools import compress, filterfalse
from typing import Any

import msgspec

_FIXED = {tuple, frozenset, types.FunctionType}
"""Kinds that hold to their end what they were made with; what may be put into that is an object of its own."""

_set_aside: list[object] = []
_plain: dict[int, object] = {}
"""By their ids, tuples that nothing can be put into any more, nor into what they hold."""


def set_aside() -> None:
    """Tells the collector that what is alive now stays."""
    gc.collect()
    alive = gc.get_objects()
    kinds = {kind for kind in set(map(type, alive)) if str(kind.__module__).startswith(("_pytest.", "pytest_"))}
    harness = _of(kinds, alive)
    parts = _of({dict, list}, gc.get_referents(*harness))
    passed_by = {id(each) for each in (*harness, *parts)}
    # What the collector does not track is seen by its holder alone, which may be one that is passed by itself.
    fixed = _of(_FIXED, alive)
    loose = {id(each): each for each in _of({dict}, gc.get_referents(*fixed)) if not gc.is_tracked(each)}
    others = [each for each in alive if id(each) not in passed_by and type(each) not in _FIXED]
    _set_aside[:] = [*others, *loose.values()]
    holders = _set_aside
    while holders := [each for each in gc.get_referents(*holders) if type(each) is tuple and not gc.is_tracked(each)]:
        _plain.update((id(each), each) for each in holders)
    gc.freeze()


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
