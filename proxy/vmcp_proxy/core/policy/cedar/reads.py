"""What policies read of a request, found in their syntax."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any, Final, TypeAlias

import msgspec
from cedarpy import pst

ARGUMENT: Final = "arg_"
"""Stands before the names of arguments in a policy."""

PRESENT: Final = "_present"
"""Stands behind the name of an argument in what is true where it is an array, an object or null."""

CONTEXT: Final = pst.Var("context")
RESOURCE: Final = pst.Var("resource")
ORIGINAL: Final = "original"
"""The attribute with what the backend itself calls it: what clients see may be shortened or prefixed."""

NAMES: Final = frozenset({"name", "uri", ORIGINAL})
"""Attributes of a resource that say which one it is."""

EQUALITY: Final = ("eq", "not_eq")
"""Operators that compare entities by uid alone."""

Uid: TypeAlias = tuple[str, str]
"""Type and id of an entity."""


class Reads(msgspec.Struct, frozen=True):
    """What some policies read.

    `arguments` are names with their prefix, `paths` these and what is read below them, member by member; `members` are
    names that may be read below any argument. `attributes` are all that are named of anything, `uids` all entities that
    are named. `whole` where the context is read as a whole; `names` where it counts which resource it is beyond
    comparing it to `uids`.
    """

    arguments: frozenset[str]
    paths: frozenset[tuple[str, ...]]
    members: frozenset[str]
    attributes: frozenset[str]
    uids: frozenset[Uid]
    whole: bool
    names: bool

    @property
    def open(self) -> bool:
        """Whether the arguments of a call count."""
        return self.whole or bool(self.arguments)

    def may_mean(self, arguments: Iterable[str]) -> bool:
        """Whether what these policies read could depend on one of these arguments, by their own names.

        On its presence as well, and on one that only looks like what they read: that one could not be judged by.
        """
        members = (each for each in self.members if each.startswith(ARGUMENT))
        read = {name.casefold() for name in (*self.arguments, *members)}
        return any((ARGUMENT + name + end).casefold() in read for name in arguments for end in ("", PRESENT))


class ForeignArgumentError(ValueError):
    """An argument is read of something that is neither the resource nor the context."""


def children(node: object) -> Iterator[object]:
    """The nodes and values directly below a node."""
    if isinstance(node, Mapping):
        yield from node.values()
    elif isinstance(node, tuple):
        yield from node
    elif is_dataclass(node):
        yield from (getattr(node, field.name) for field in fields(node))


def with_arguments_in_context(node: Any) -> Any:
    """The same with arguments read of the context where they are read of the resource: there they stand too."""
    match node:
        case pst.GetAttr(pst.Var("resource"), attr) if attr.startswith(ARGUMENT):
            return pst.GetAttr(CONTEXT, attr)
        case pst.HasAttr(pst.Var("resource"), attrs) if attrs[0].startswith(ARGUMENT):
            return pst.HasAttr(CONTEXT, attrs)
        case Mapping():
            return pst.FrozenMap({key: with_arguments_in_context(value) for key, value in node.items()})
        case tuple():
            return tuple(with_arguments_in_context(each) for each in node)
        case _ if is_dataclass(node) and not isinstance(node, type):
            changed = {field.name: with_arguments_in_context(getattr(node, field.name)) for field in fields(node)}
            return replace(node, **changed)
        case _:
            return node


def reads_of(nodes: Iterable[object]) -> Reads:
    """What these policies or expressions read, once arguments are read of the context alone.

    Raises:
        ForeignArgumentError: an argument is read of something else.
    """
    found = _Found()
    for node in nodes:
        found.visit(node)
    return Reads(
        arguments=frozenset(path[0] for path in found.paths),
        paths=frozenset(found.paths),
        members=frozenset(found.members),
        attributes=frozenset(found.attributes),
        uids=frozenset(found.uids),
        whole=found.whole,
        names=found.names,
    )


def join(all_reads: Iterable[Reads]) -> Reads:
    """What all of them read."""
    every = list(all_reads)
    return Reads(
        arguments=frozenset().union(*(each.arguments for each in every)),
        paths=frozenset().union(*(each.paths for each in every)),
        members=frozenset().union(*(each.members for each in every)),
        attributes=frozenset().union(*(each.attributes for each in every)),
        uids=frozenset().union(*(each.uids for each in every)),
        whole=any(each.whole for each in every),
        names=any(each.names for each in every),
    )


class _Found:
    def __init__(self) -> None:
        self.paths: set[tuple[str, ...]] = set()
        self.members: set[str] = set()
        self.attributes: set[str] = set()
        self.uids: set[Uid] = set()
        self.whole = False
        self.names = False

    def visit(self, node: object) -> None:
        """Notes what a node and all below it read."""
        match node:
            case pst.EntityUid(kind, name):
                self.uids.add((str(kind), name))
            case pst.Var("context"):
                self.whole = True
            case pst.Var("resource"):
                self.names = True
            case pst.Record(members):
                # What is compared with it has the same members, or others that look alike.
                self.members.update(members)
                self.visit(members)
            case pst.GetAttr(base, attr):
                self._attributes(base, (attr,))
            case pst.HasAttr(base, attrs):
                self._attributes(base, attrs)
            case pst.BinaryOp(op, pst.Var("resource"), pst.EntityLit() as other) | pst.BinaryOp(
                op, pst.EntityLit() as other, pst.Var("resource")
            ) if op in EQUALITY:
                self.visit(other)
            case pst.BinaryOp("in", pst.Var("resource"), other) | pst.Is(pst.Var("resource"), _, other):
                self.visit(other)
            case _:
                for child in children(node):
                    self.visit(child)

    def _attributes(self, base: object, attrs: tuple[str, ...]) -> None:
        self.attributes.update(attrs)
        is_argument = attrs[0].startswith(ARGUMENT)
        root, path = path_to(base)
        if not isinstance(root, pst.Var):
            self.members.update(attrs)
        elif root == CONTEXT and (*path, *attrs)[0].startswith(ARGUMENT):
            self.paths.add((*path, *attrs))
        match base:
            case pst.Var("context"):
                pass
            case pst.Var("resource"):
                self.names = self.names or attrs[0] in NAMES
            case pst.Var():
                if is_argument:
                    raise ForeignArgumentError(attrs[0])
            case _:
                if is_argument and not (root == CONTEXT and path[0].startswith(ARGUMENT)):
                    raise ForeignArgumentError(attrs[0])
                # It may be the resource by another way.
                self.names = self.names or attrs[0] in NAMES
                self.visit(base)


def path_to(node: Any) -> tuple[object, tuple[str, ...]]:
    """What attributes are read of in the end, and those on the way."""
    path: tuple[str, ...] = ()
    while isinstance(node, pst.GetAttr):
        node, path = node.base, (node.attr, *path)
    return node, path
