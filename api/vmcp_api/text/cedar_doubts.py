"""Names in Cedar policies that nothing has: such a policy can be read, and may never match (ADR-0041).

Cedar's own validation would want a schema with the type of every claim and argument, which nobody has: here the syntax
is read. What is said never keeps policies from being used.
"""

import difflib
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any, Final

from cedarpy import pst

from vmcp_api.manifests.problems import shorten
from vmcp_api.text.cedar_names import CedarDoubt, Names
from vmcp_api.text.cedar_text import read_policies, uids_in
from vmcp_api.text.suggest import fold, suggest

_KIND_OF: Final = {"call_tool": "Tool", "read_resource": "Resource", "get_prompt": "Prompt"}
_LISTS: Final = frozenset({"list_tools", "list_resources", "list_resource_templates", "list_prompts"})
"""Actions that nobody asks about and that policies may name: what they would say follows from the others."""

_THINGS: Final = frozenset(_KIND_OF.values())
_TYPES: Final = frozenset({"Action", "Backend", "Client", "Group", "MCP", "THVGroup", *_THINGS})
_ABOVE: Final[Mapping[str, frozenset[str]]] = {
    "principal": frozenset({"Client", "Group", "THVGroup"}),
    "resource": frozenset({"Backend", "MCP", *_THINGS}),
}
"""Types of what principal and resource may be below of, themselves included."""

_SELF: Final[Mapping[str, frozenset[str]]] = {"principal": frozenset({"Client"}), "resource": _THINGS}
_HINTS: Final = frozenset({"readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint"})
_ATTRIBUTES: Final[Mapping[str, frozenset[str]]] = {
    "principal": frozenset(),
    "action": frozenset({"operation"}),
    "resource": frozenset({"name", "original", "backend", "uri", "operation", "feature"}) | _HINTS,
    "context": frozenset(),
}
_PREFIXES: Final[Mapping[str, tuple[str, ...]]] = {
    "principal": ("claim_", "claimset_"),
    "action": (),
    "resource": ("arg_",),
    "context": ("claim_", "claimset_", "arg_"),
}
_NEAR: Final = 0.8
"""How much alike two names are of which one may be a slip, where there are more than those that are known."""


def find_doubts(texts: Sequence[str], entities: str, names: Names) -> tuple[CedarDoubt, ...]:
    """What nothing has of what policies name; for texts and entities in which there is no flaw."""
    told = _Told(entities)
    found: dict[tuple[str, str], CedarDoubt] = {}
    ids: set[str] = set()
    count = 0
    for position, text in enumerate(texts):
        for line, node in read_policies(text):
            known_by = node.annotations.get("id") or f"policy{count}"
            count += 1
            said = list(_Policy(node, told, names).doubts())
            if known_by in ids:
                said.append((f"the id {shorten(known_by)!r} stands at a policy before it too", _TWICE))
            ids.add(known_by)
            for message, remedy in said:
                whole = f"line {line}: policy {shorten(known_by)!r}: {message}"
                found.setdefault((known_by, message), CedarDoubt(position, line, whole, remedy))
    return tuple(found.values())


_TWICE: Final = "give each policy an @id of its own: audit, metrics and explain tell them apart by nothing else"


class _Told:
    """What the entities of a config add: entities, types, and attributes of what requests bring along."""

    def __init__(self, entities: str) -> None:
        data: Any = json.loads(entities)
        self.uids: Final = frozenset(uids_in(data))
        self.types: Final = frozenset(kind for kind, _ in self.uids)
        self.attributes: Final[dict[str, set[str]]] = {}
        for each in data:
            uid = each["uid"].get("__entity", each["uid"])
            self.attributes.setdefault(uid["type"], set()).update(each.get("attrs", ()))

    def of(self, variable: str) -> frozenset[str]:
        """The attributes that some principal, action or resource has by the config's word."""
        kinds = {"principal": {"Client"}, "action": {"Action"}, "resource": _THINGS}.get(variable, frozenset())
        return frozenset().union(*(self.attributes.get(kind, ()) for kind in kinds))


class _Policy:
    def __init__(self, node: pst.Template, told: _Told, names: Names) -> None:
        self._node = node
        self._told = told
        self._names = names

    def doubts(self) -> Iterator[tuple[str, str]]:
        """What is told of it, each with a remedy."""
        node = self._node
        yield from self._scope("principal", node.principal)
        yield from self._scope("resource", node.resource)
        yield from self._other_kind()
        for each in _below(node):
            match each:
                case pst.EntityUid(kind, name):
                    yield from self._entity(str(kind), name)
                case pst.ScopeIs(kind) | pst.ScopeIsIn(kind, _) | pst.Is(_, kind, _):
                    yield from self._type(str(kind))
                case pst.GetAttr(pst.Var(variable), attr) | pst.HasAttr(pst.Var(variable), (attr, *_)):
                    yield from self._attribute(variable, attr)
            yield from self._condition(each)

    def _scope(self, variable: str, constraint: object) -> Iterator[tuple[str, str]]:
        match constraint:
            case pst.ScopeEq(pst.EntityUid() as uid):
                yield from self._equal(variable, uid)
            case pst.ScopeIn(pst.EntityUid() as uid):
                yield from self._within(variable, uid)
            case pst.ScopeIs(kind):
                yield from self._is(variable, str(kind))
            case pst.ScopeIsIn(kind, pst.EntityUid() as uid):
                yield from self._is(variable, str(kind))
                yield from self._within(variable, uid)

    def _condition(self, expr: object) -> Iterator[tuple[str, str]]:
        match expr:
            case pst.BinaryOp("eq" | "not_eq", pst.Var(variable), pst.EntityLit(uid)) | pst.BinaryOp(
                "eq" | "not_eq", pst.EntityLit(uid), pst.Var(variable)
            ):
                yield from self._equal(variable, uid)
            case pst.BinaryOp("in", pst.Var(variable), pst.EntityLit(uid)):
                yield from self._within(variable, uid)
            case pst.BinaryOp("in", pst.Var(variable), pst.Set(elements)):
                for each in elements:
                    if isinstance(each, pst.EntityLit):
                        yield from self._within(variable, each.value)
            case pst.Is(pst.Var(variable), kind, inner):
                yield from self._is(variable, str(kind))
                if isinstance(inner, pst.EntityLit):
                    yield from self._within(variable, inner.value)
            case pst.BinaryOp("eq" | "not_eq", _, _) | pst.BinaryOp("contains", pst.Set(), _):
                for text in _compared_with_backend(expr):
                    yield from self._backend(text, f"compares resource.backend with {shorten(text)!r}")

    def _entity(self, kind: str, name: str) -> Iterator[tuple[str, str]]:
        if (kind, name) in self._told.uids:
            return
        if kind == "Action" and name not in _KIND_OF and name not in _LISTS:
            remedy = suggest(name, _KIND_OF, noun="actions")
            yield f'names Action::"{shorten(name)}", and there is no such action', remedy
        elif kind == "Backend":
            yield from self._backend(name, f'names Backend::"{shorten(name)}"')
        elif kind == "MCP" and self._is_nobody(name, self._names.servers):
            remedy = suggest(name, self._names.servers or (), noun="VirtualMCPServers")
            yield f'names MCP::"{shorten(name)}", and no VirtualMCPServer has that name', remedy
        else:
            yield from self._type(kind)

    def _backend(self, name: str, what: str) -> Iterator[tuple[str, str]]:
        if self._is_nobody(name, self._names.backends):
            yield f"{what}, and there is no such backend", suggest(name, self._names.backends or (), noun="backends")

    def _is_nobody(self, name: str, known: Collection[str] | None) -> bool:
        """Whether it is the name of none of these, or where there may be others, a slip of one of them."""
        if known is None or name in known:
            return False
        return self._names.is_whole or bool(difflib.get_close_matches(fold(name), map(fold, known), n=1, cutoff=_NEAR))

    def _type(self, kind: str) -> Iterator[tuple[str, str]]:
        if kind not in _TYPES and kind not in self._told.types:
            yield (
                f"names the type {shorten(kind)}, and nothing is of it",
                suggest(kind, _TYPES | self._told.types, noun="types"),
            )

    def _attribute(self, variable: str, attr: str) -> Iterator[tuple[str, str]]:
        known = _ATTRIBUTES[variable] | self._told.of(variable)
        if attr in known or attr.startswith(_PREFIXES[variable]):
            return
        yield f"reads {variable}.{shorten(attr)}, which no {variable} has", _say_instead(variable, attr, known)

    def _equal(self, variable: str, uid: pst.EntityUid) -> Iterator[tuple[str, str]]:
        kind = str(uid.type)
        if variable in _SELF and kind not in _SELF[variable] and kind in _TYPES | self._told.types:
            remedy = f"write {variable} in {_say(uid)}" if kind in _ABOVE[variable] else _say_self(variable)
            yield f"compares {variable} with {_say(uid)}, which no {variable} is", remedy

    def _is(self, variable: str, kind: str) -> Iterator[tuple[str, str]]:
        if variable in _SELF and kind not in _SELF[variable] and kind in _TYPES:
            yield f"asks whether {variable} is {kind}, and none is", _say_self(variable)

    def _within(self, variable: str, uid: pst.EntityUid) -> Iterator[tuple[str, str]]:
        kind = str(uid.type)
        is_told = kind in self._told.types
        if variable in _ABOVE and kind in _TYPES and kind not in _ABOVE[variable] and not is_told:
            wanted = ", ".join(sorted(_ABOVE[variable]))
            yield (
                f"asks whether {variable} is in {_say(uid)}, and none is",
                f"a {variable} can be in these types: {wanted}",
            )

    def _other_kind(self) -> Iterator[tuple[str, str]]:
        """Actions on one kind of thing, and a resource of another."""
        match self._node.action:
            case pst.ActionEq(uid):
                actions = [uid.id]
            case pst.ActionIn(uids):
                actions = [each.id for each in uids]
            case _:
                return
        match self._node.resource:
            case pst.ScopeEq(pst.EntityUid(kind, _)) | pst.ScopeIs(kind) | pst.ScopeIsIn(kind, _):
                pass
            case _:
                return
        kinds = {_KIND_OF.get(action) for action in actions}
        if None not in kinds and str(kind) in _THINGS and str(kind) not in kinds:
            wanted = next(action for action, each in _KIND_OF.items() if each == str(kind))
            yield f"is about a {kind}, and its actions are about none", f'the action on one is Action::"{wanted}"'


def _say(uid: pst.EntityUid) -> str:
    return f'{uid.type}::"{shorten(uid.id)}"'


def _say_self(variable: str) -> str:
    return f"a {variable} is of these types: {', '.join(sorted(_SELF[variable]))}"


def _say_instead(variable: str, attr: str, known: Collection[str]) -> str:
    """What an attribute may have been meant for: one that there is, or what a token or a call says."""
    close = suggest(attr, known, noun="attributes") if known else ""
    ways = ", ".join(f"{variable}.{prefix}{shorten(attr)}" for prefix in _PREFIXES[variable])
    if variable == "resource" or not ways:
        return close
    groups = '; groups are parents: principal in Group::"…"' if variable == "principal" else ""
    return f"what tokens and calls say is {ways}{groups}"


def _compared_with_backend(expr: pst.BinaryOp) -> Iterator[str]:
    """The texts that the name of the backend is compared with."""
    backend = pst.GetAttr(pst.Var("resource"), "backend")
    match expr:
        case pst.BinaryOp("contains", pst.Set(elements), other) if other == backend:
            yield from (each.value for each in elements if isinstance(each, pst.StringLit))
        case pst.BinaryOp(_, left, right) if backend in (left, right):
            yield from (each.value for each in (left, right) if isinstance(each, pst.StringLit))


def _below(node: object) -> Iterator[object]:
    """A node and all below it, in the order in which they are written."""
    waiting = [node]
    while waiting:
        node = waiting.pop()
        if isinstance(node, Mapping):
            waiting.extend(reversed(list(node.values())))
        elif isinstance(node, tuple):
            waiting.extend(reversed(node))
        elif is_dataclass(node):
            yield node
            waiting.extend(getattr(node, each.name) for each in reversed(fields(node)))
