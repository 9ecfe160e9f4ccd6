"""What a resource points to, read from the manifest: it may be one that does not validate."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from vmcp_operator.plan.kinds import (
    AUTHZ_CONFIG,
    COMPOSITE_TOOL,
    EXTERNAL_AUTH_CONFIG,
    GATEWAY_BINDING,
    MCP_GROUP,
    OIDC_CONFIG,
    TELEMETRY_CONFIG,
    TOOL_CONFIG,
    Kind,
    Ref,
)

_GROUP: Final = "groupRef"
_EXTERNAL_AUTH: Final = "externalAuthConfigRef"
_TOOL_CONFIG: Final = "toolConfigRef"
_MAKERS: Final = {(kind.api_version, kind.name): kind for kind in (MCP_GROUP, GATEWAY_BINDING)}


def group_of(manifest: Mapping[str, Any]) -> tuple[Ref, ...]:
    """The group that a resource names in `groupRef`."""
    return tuple(_named(manifest, MCP_GROUP, (_GROUP,)))


def points_of_member(manifest: Mapping[str, Any]) -> tuple[Ref, ...]:
    """The group of a member, what it is shown, and which of its tools are seen."""
    return (
        *group_of(manifest),
        *_named(manifest, EXTERNAL_AUTH_CONFIG, (_EXTERNAL_AUTH,)),
        *_named(manifest, TOOL_CONFIG, (_TOOL_CONFIG,)),
    )


def points_of_entry(manifest: Mapping[str, Any]) -> tuple[Ref, ...]:
    """As of any member, and the group or binding that the entry was made for."""
    return tuple(dict.fromkeys((*points_of_member(manifest), *_makers(manifest))))


def points_of_vmcp(manifest: Mapping[str, Any]) -> tuple[Ref, ...]:
    """All that an endpoint names: its group, and the settings of each kind."""
    outgoing = _at(manifest, ("spec", "outgoingAuth", "backends"))
    composites = _at(manifest, ("spec", "config", "compositeToolRefs"))
    tools = _at(manifest, ("spec", "config", "aggregation", "tools"))
    return (
        *group_of(manifest),
        *_named(manifest, OIDC_CONFIG, ("incomingAuth", "oidcConfigRef")),
        *_named(manifest, AUTHZ_CONFIG, ("incomingAuth", "authzConfigRef")),
        *_named(manifest, TELEMETRY_CONFIG, ("telemetryConfigRef",)),
        *_named(manifest, EXTERNAL_AUTH_CONFIG, ("outgoingAuth", "default", _EXTERNAL_AUTH)),
        *(
            ref
            for name in (outgoing if isinstance(outgoing, Mapping) else ())
            for ref in _named(manifest, EXTERNAL_AUTH_CONFIG, ("outgoingAuth", "backends", name, _EXTERNAL_AUTH))
        ),
        *(
            ref
            for each in (composites if isinstance(composites, list) else ())
            for ref in _called(manifest, COMPOSITE_TOOL, _at(each, ("name",)))
        ),
        *(
            ref
            for each in (tools if isinstance(tools, list) else ())
            for ref in _called(manifest, TOOL_CONFIG, _at(each, (_TOOL_CONFIG, "name")))
        ),
    )


def _makers(manifest: Mapping[str, Any]) -> Iterator[Ref]:
    """The objects that had an entry made, by its owner references."""
    owners = _at(manifest, ("metadata", "ownerReferences"))
    for owner in owners if isinstance(owners, list) else ():
        kind = _MAKERS.get((_at(owner, ("apiVersion",)), _at(owner, ("kind",))))
        if kind is not None:
            yield from _called(manifest, kind, _at(owner, ("name",)))


def _named(manifest: Mapping[str, Any], kind: Kind, path: tuple[str, ...]) -> Iterator[Ref]:
    """The object that a reference below `spec` names."""
    yield from _called(manifest, kind, _at(manifest, ("spec", *path, "name")))


def _called(manifest: Mapping[str, Any], kind: Kind, name: object) -> Iterator[Ref]:
    """An object of the same namespace, where what stands for its name can be one."""
    if isinstance(name, str) and name:
        yield Ref(kind, manifest["metadata"]["namespace"], name)


def _at(manifest: object, path: tuple[str, ...]) -> Any:
    found: Any = manifest
    for step in path:
        found = found.get(step) if isinstance(found, Mapping) else None
    return found
