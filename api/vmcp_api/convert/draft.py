"""A manifest in the making: every value knows where it came from, and what became of those that are gone is noted."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

from vmcp_api.base import Json
from vmcp_api.convert.report import Fate, Field, common_place
from vmcp_api.manifests.problems import Loc


@dataclass(slots=True)
class _Leaf:
    """A scalar or an empty container, and its place in the input; None where it was added."""

    value: Json
    origin: Loc | None


_FIRST = ("apiVersion", "kind", "metadata")
"""Members that an object begins with."""

_Node: TypeAlias = dict[str, "_Node"] | list["_Node"] | _Leaf


@dataclass(frozen=True, slots=True)
class _Note:
    fate: Fate
    why: str
    remedy: str = ""


class Draft:
    """The values of one object. Places that are not there may be named: nothing is done about them."""

    def __init__(self, data: Mapping[str, Json]) -> None:
        self._root = _wrap(dict(data), ())
        self._places = tuple(_origins(self._root))
        self._notes: dict[Loc, _Note] = {}
        self._added: list[tuple[Loc, str]] = []
        self._filled: dict[Loc, Loc] = {}
        self.others: list[Mapping[str, Json]] = []
        """Further objects that are needed beside this one."""
        self.refusal: tuple[str, str] | None = None
        """Why the object is left out, and what to do."""

    def has(self, loc: Loc) -> bool:
        """Whether something stands at a place."""
        return _find(self._root, loc) is not None

    def get(self, *loc: str | int) -> Json:
        """What stands at a place; None where nothing does."""
        node = _find(self._root, loc)
        return None if node is None else _unwrap(node)

    def drop(self, loc: Loc, why: str) -> None:
        """Takes away what is had without it."""
        self._take(loc, _Note(Fate.CHANGED, why))

    def lose(self, loc: Loc, why: str, remedy: str, *, prunes: bool = True) -> None:
        """Takes away what there is nothing for, and what becomes empty by that unless it says something so too."""
        self._take(loc, _Note(Fate.LOST, why, remedy), prunes=prunes)

    def refuse(self, why: str, remedy: str) -> None:
        """Leaves the whole object out, for the first reason that is given."""
        self.refusal = self.refusal or (why, remedy)

    def move(self, loc: Loc, to: Loc, why: str) -> None:
        """Puts what stands at a place to another one; what stands there already counts."""
        if not self.has(loc) or not self._takes(to):
            return
        if self.has(to):
            self.drop(loc, f"{why}; what stands there counts")
            return
        node = self._take(loc, _Note(Fate.CHANGED, why))
        if node is not None:
            self._attach(to, node)

    def put(self, loc: Loc, to: Loc, value: Json, why: str) -> None:
        """Writes what comes of the value at a place, there or elsewhere."""
        node = _find(self._root, loc)
        if node is None or not self._takes(to):
            return
        first = next(_origins(node), None)
        if loc != to:
            self._take(loc, _Note(Fate.CHANGED, why))
        self._notes.update(dict.fromkeys(_origins(node), _Note(Fate.CHANGED, why)))
        self._attach(to, _wrap_from(value, first))

    def add(self, loc: Loc, value: Json, why: str) -> None:
        """Writes what was not said and has to be here."""
        if not self.has(loc) and self._takes(loc):
            self._attach(loc, _wrap_from(value, None))
            self._added.append((loc, why))

    def append(self, loc: Loc, value: Json, origin: Loc | None) -> None:
        """Adds an entry that comes of a value to a list, which is made where there is none."""
        node = _find(self._root, loc)
        if not self._takes((*loc, 0)):
            return
        if not isinstance(node, list):
            self._note_filled(node, loc)
            node = []
            self._attach(loc, node)
        node.append(_wrap_from(value, origin))

    def plain(self) -> dict[str, Json]:
        """The object as it is now."""
        data = _unwrap(self._root)
        told = data if isinstance(data, dict) else {}
        return {
            key: told[key]
            for key in (*(each for each in _FIRST if each in told), *(each for each in told if each not in _FIRST))
        }

    def fields(self) -> tuple[Field, ...]:
        """What became of every value, each once, in the order of the input; what was added comes last."""
        if self.refusal:
            why, remedy = self.refusal
            for key in self.plain():
                self.lose((key,), why, remedy)
            left_out = _Note(Fate.LOST, why, remedy)
            self._notes |= {origin: left_out for origin, note in self._notes.items() if note.fate is Fate.CHANGED}
            self._added.clear()
        now: dict[Loc, Loc] = {}
        for place, leaf in _leaves(self._root, ()):
            if leaf.origin is not None:
                now[leaf.origin] = common_place(now[leaf.origin], place) if leaf.origin in now else place
        for origin, place in self._filled.items():
            self._notes.setdefault(origin, _Note(Fate.CHANGED, "was empty, and holds what is added"))
            if self.has(place):
                now[origin] = place
        told = {origin: self._field(origin, now.get(origin)) for origin in (*now, *self._notes)}
        added = (Field(Fate.CHANGED, None, place, why) for place, why in self._added if self.has(place))
        return (*(told[origin] for origin in self._places), *added)

    def _field(self, origin: Loc, place: Loc | None) -> Field:
        note = self._notes.get(origin)
        if note is None:
            return Field(Fate.KEPT, origin, place)
        return Field(note.fate, origin, place, note.why, note.remedy)

    def _take(self, loc: Loc, note: _Note, *, prunes: bool = True) -> _Node | None:
        parent, node = _find(self._root, loc[:-1]), _find(self._root, loc)
        if node is None or not loc:
            return None
        filled = (origin for origin, place in self._filled.items() if place[: len(loc)] == loc)
        for origin in (*_origins(node), *filled):
            self._notes[origin] = note
        if isinstance(parent, dict):
            del parent[str(loc[-1])]
        elif isinstance(parent, list):
            parent.pop(int(loc[-1]))
        if prunes:
            self._prune(loc[:-1])
        return node

    def _prune(self, loc: Loc) -> None:
        """Takes away what has become empty, up to the members of the object."""
        while len(loc) > 1 and _find(self._root, loc) in ({}, []):
            parent = _find(self._root, loc[:-1])
            if isinstance(parent, dict):
                del parent[str(loc[-1])]
            elif isinstance(parent, list):
                parent.pop(int(loc[-1]))
            loc = loc[:-1]

    def _takes(self, loc: Loc) -> bool:
        """Whether something can be put at a place: what stands on the way to it may hold it."""
        for length in range(len(loc)):
            node, step = _find(self._root, loc[:length]), loc[length]
            if node is None:
                return True
            wanted = list if isinstance(step, int) else dict
            if not isinstance(node.value if isinstance(node, _Leaf) else node, wanted):
                return False
        return True

    def _note_filled(self, node: _Node | None, loc: Loc) -> None:
        """What was empty holds something now, and stays where it was."""
        if isinstance(node, _Leaf) and node.origin is not None:
            self._filled[node.origin] = loc

    def _attach(self, loc: Loc, node: _Node) -> None:
        holder = self._root
        for position, (step, following) in enumerate(pairwise(loc), 1):
            empty: _Node = [] if isinstance(following, int) else {}
            if isinstance(holder, dict):
                found = holder.get(str(step))
                if not isinstance(found, dict | list):
                    self._note_filled(found, loc[:position])
                    found = holder[str(step)] = empty
            else:
                assert isinstance(holder, list)  # noqa: S101 - `_takes` was asked before
                found = holder[int(step)]
            holder = found
        if isinstance(holder, dict):
            holder[str(loc[-1])] = node
        elif isinstance(holder, list):
            holder[int(loc[-1]) :] = [node, *holder[int(loc[-1]) + 1 :]]


def leaves_of(value: Json, loc: Loc = ()) -> Iterator[Loc]:
    """The places of all values that hold no other."""
    yield from (place for place, _ in _leaves(_wrap(value, loc), loc))


def _wrap(value: Json, loc: Loc) -> _Node:
    if isinstance(value, dict) and value:
        return {key: _wrap(each, (*loc, key)) for key, each in value.items()}
    if isinstance(value, list) and value:
        return [_wrap(each, (*loc, index)) for index, each in enumerate(value)]
    return _Leaf(value, loc)


def _wrap_from(value: Json, origin: Loc | None) -> _Node:
    if isinstance(value, dict) and value:
        return {key: _wrap_from(each, origin) for key, each in value.items()}
    if isinstance(value, list) and value:
        return [_wrap_from(each, origin) for each in value]
    return _Leaf(value, origin)


def _unwrap(node: _Node) -> Json:
    if isinstance(node, dict):
        return {key: _unwrap(each) for key, each in node.items()}
    if isinstance(node, list):
        return [_unwrap(each) for each in node]
    return node.value


def _find(node: _Node | None, loc: Loc) -> _Node | None:
    for step in loc:
        if isinstance(node, dict):
            node = node.get(str(step)) if isinstance(step, str) else None
        elif isinstance(node, list) and isinstance(step, int):
            node = node[step] if step < len(node) else None
        else:
            return None
    return node


def _leaves(node: _Node, loc: Loc) -> Iterator[tuple[Loc, _Leaf]]:
    if isinstance(node, dict):
        for key, each in node.items():
            yield from _leaves(each, (*loc, key))
    elif isinstance(node, list):
        for index, each in enumerate(node):
            yield from _leaves(each, (*loc, index))
    else:
        yield loc, node


def _origins(node: _Node) -> Iterator[Loc]:
    return (leaf.origin for _, leaf in _leaves(node, ()) if leaf.origin is not None)
