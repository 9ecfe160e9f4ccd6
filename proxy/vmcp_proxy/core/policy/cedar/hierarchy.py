"""The entities that a config tells of, and which of them a request can lead to (ADR-0041)."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from cedarpy import pst

from vmcp_proxy.core.policy.cedar.reads import EQUALITY, Uid, children

Entity = dict[str, Any]
"""An entity in Cedar's JSON: `uid`, `attrs`, `parents`, and `tags` where it has some."""


class Hierarchy:
    """Entities by uid, read once.

    A directory may hold thousands, and Cedar works them all out that it is handed: a decision gets those alone that
    evaluating it can come to.
    """

    def __init__(self, told: Iterable[Entity]) -> None:
        self._told: Final = {uid_of(each): each for each in told}
        self._texts: Final = {uid: json.dumps(each) for uid, each in self._told.items()}
        self._next: Final = {uid: tuple(_neighbours(each)) for uid, each in self._told.items()}

    def get(self, uid: Uid) -> Entity | None:
        """What is told of one entity."""
        return self._told.get(uid)

    def around(self, own: Mapping[Uid, Entity], opened: Iterable[Uid]) -> str:
        """A request's own entities and what can be come to from them and from those that are `opened`, in Cedar's JSON.

        An entity leads to its parents, and to those that its attributes and tags hold.
        """
        texts = [json.dumps(each) for each in own.values()]
        reached = set(own)
        waiting = [*opened, *(uid for each in own.values() for uid in _neighbours(each))]
        while waiting:
            uid = waiting.pop()
            if uid in reached or uid not in self._told:
                continue
            reached.add(uid)
            texts.append(self._texts[uid])
            waiting += self._next[uid]
        return f"[{','.join(texts)}]"


def uid_of(entity: Entity) -> Uid:
    """Type and id of an entity, whose uid is without an escape."""
    return entity["uid"]["type"], entity["uid"]["id"]


def opened_by(node: object) -> Iterator[Uid]:
    """The entities that policies name to read what they hold or are below of, and not only to compare with them."""
    match node:
        case pst.EntityLit(uid):
            yield str(uid.type), uid.id
        case pst.BinaryOp(op, left, right) if op in EQUALITY:
            yield from _opened_by_all(each for each in (left, right) if not _is_named(each))
        case pst.BinaryOp("in", base, other) | pst.Is(base, _, other):
            yield from _opened_by_all((base,) if _is_named(other) else (base, other))
        case _:
            yield from _opened_by_all(children(node))


def _opened_by_all(nodes: Iterable[object]) -> Iterator[Uid]:
    for each in nodes:
        yield from opened_by(each)


def _is_named(node: object) -> bool:
    """Whether it is an entity, or a set of them, as a policy writes it."""
    match node:
        case pst.Set(elements):
            return all(isinstance(each, pst.EntityLit) for each in elements)
        case _:
            return isinstance(node, pst.EntityLit)


def _neighbours(entity: Entity) -> Iterator[Uid]:
    yield from ((parent["type"], parent["id"]) for parent in entity["parents"])
    yield from _held(entity["attrs"])
    yield from _held(entity.get("tags"))


def _held(value: object) -> Iterator[Uid]:
    """The entities in a value of Cedar's JSON, at any level."""
    match value:
        case {"__entity": {"type": str(kind), "id": str(name)}}:
            yield kind, name
        case dict():
            for each in value.values():
                yield from _held(each)
        case list():
            for each in value:
                yield from _held(each)
