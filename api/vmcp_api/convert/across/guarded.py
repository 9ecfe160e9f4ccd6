"""Servers whose own proxy asked for tokens or policies in ToolHive: no endpoint serves them that asks for neither."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from vmcp_api.base import Json
from vmcp_api.convert.across.manifests import at, namespace_of
from vmcp_api.convert.report import Converted, Fate, Field
from vmcp_api.manifests.problems import Loc
from vmcp_api.naming import API_VERSION

_TOKENS: Final = frozenset({"oidcConfigRef", "oidcConfig", "authServerRef"})
_POLICIES: Final = frozenset({"authzConfig", "authzConfigRef", "webhookConfigRef"})
"""Keys of a proxy that decide on calls, among them those of an endpoint that do."""

_GROUP: Final = ("spec", "groupRef", "name")
_REMEDY: Final = "say so in spec.incomingAuth of each VirtualMCPServer of the group, then write groupRef again"


@dataclass(frozen=True, slots=True)
class _Guard:
    """What callers have to bring, or to be permitted."""

    tokens: bool = False
    policies: bool = False

    def is_within(self, other: "_Guard") -> bool:
        return self.tokens <= other.tokens and self.policies <= other.policies


def keep_guarded(objects: Iterable[Converted]) -> Iterator[Converted]:
    """The objects, each server that lost a guard taken out of its group unless all endpoints of that have one.

    An endpoint that is not in the files may have none. An entry has to be in a group: it gets one of its own.
    """
    everything = tuple(objects)
    endpoints = [each for one in everything for each in one.results if each.get("kind") == "VirtualMCPServer"]
    for one in everything:
        lost = _lost_guard(one)
        group = at(one.results[0], *_GROUP) if one.results else None
        near = [each for each in endpoints if one.results and namespace_of(each) == namespace_of(one.results[0])]
        serving = [_guard_of(each) for each in near if at(each, *_GROUP) == group]
        is_kept = bool(serving) and all(lost.is_within(each) for each in serving)
        # An older groupRef is the name itself, and comes to stand there.
        places = [each for each in one.fields if each.path and each.to and each.to[: len(_GROUP)] == _GROUP]
        yield one if lost == _Guard() or is_kept or not places else _without_group(one, places[0], lost)


def _lost_guard(one: Converted) -> _Guard:
    if not one.subject.startswith(("MCPServer/", "MCPRemoteProxy/")):
        return _Guard()
    keys = {key for each in one.fields if each.fate is Fate.LOST and each.path for key in _below_spec(each.path)}
    return _Guard(tokens=not keys.isdisjoint(_TOKENS), policies=not keys.isdisjoint(_POLICIES))


def _below_spec(path: Loc) -> tuple[str | int, ...]:
    """The key below `spec`, wherever the object stands in a list."""
    return path[path.index("spec") + 1 :][:1] if "spec" in path else ()


def _guard_of(vmcp: Mapping[str, Json]) -> _Guard:
    incoming = at(vmcp, "spec", "incomingAuth")
    told: Mapping[str, Json] = incoming if isinstance(incoming, Mapping) else {}
    return _Guard(tokens=told.get("type") == "oidc", policies=not _POLICIES.isdisjoint(told))


def _without_group(one: Converted, place: Field, lost: _Guard) -> Converted:
    parts = ("tokens",) * lost.tokens + ("policies",) * lost.policies
    why = f"its proxy asked callers for {' and '.join(parts)} in ToolHive, which not all endpoints of the group do here"
    fields = [
        replace(each, fate=Fate.LOST, to=None, why=why, remedy=_REMEDY) if each == place else each
        for each in one.fields
    ]
    server: Any = dict(one.results[0])
    rest = {key: value for key, value in server["spec"].items() if key != "groupRef"}
    if server["kind"] == "MCPServer":
        return replace(one, results=({**server, "spec": rest}, *one.results[1:]), fields=tuple(fields))
    own = {"name": f"{server['metadata']['name']}-group"}
    namespace = at(server, "metadata", "namespace")
    metadata = own if namespace is None else {**own, "namespace": str(namespace)}
    group: dict[str, Json] = {"apiVersion": API_VERSION, "kind": "MCPGroup", "metadata": metadata}
    fields.append(Field(Fate.CHANGED, None, _GROUP, "is a group that no endpoint serves yet"))
    changed = {**server, "spec": {**rest, "groupRef": own}}
    return replace(one, results=(changed, *one.results[1:], group), fields=tuple(fields))
