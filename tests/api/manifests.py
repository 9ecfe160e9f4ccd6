"""Small manifests that tests change one field of."""

import copy
from collections.abc import Sequence
from typing import Any

from vmcp_api.kinds import KINDS, Resource
from vmcp_api.manifests.problems import Problems
from vmcp_api.manifests.resources import AnyObject, Resources, build_resources
from vmcp_api.manifests.validate import validate

_SPECS: dict[str, dict[str, Any]] = {
    "VirtualMCPServer": {"groupRef": {"name": "team"}, "incomingAuth": {"type": "anonymous"}},
    "MCPGroup": {},
    "MCPServer": {"image": "example.com/server:1", "groupRef": {"name": "team"}},
    "MCPServerEntry": {
        "remoteUrl": "https://mcp.example.com/mcp",
        "transport": "streamable-http",
        "groupRef": {"name": "team"},
    },
    "MCPExternalAuthConfig": {"type": "unauthenticated"},
    "MCPOIDCConfig": {"type": "inline", "inline": {"issuer": "https://idp.example.com"}},
    "MCPTelemetryConfig": {},
    "MCPToolConfig": {"toolsFilter": ["read"]},
    "VirtualMCPCompositeToolDefinition": {
        "name": "report",
        "description": "Writes a report.",
        "steps": [{"id": "read", "tool": "notes.read"}],
    },
    "MCPAuthzConfig": {"config": {"policies": ["permit(principal, action, resource);"]}},
}


def manifest(
    kind: str, name: str = "one", /, *, annotations: dict[str, str] | None = None, **spec: Any
) -> dict[str, Any]:
    """A valid manifest of a kind with some fields of its spec replaced."""
    return {
        "apiVersion": "vmcp.dev/v1beta1",
        "kind": kind,
        "metadata": {"name": name, "namespace": "ns", "annotations": annotations or {}},
        "spec": {**copy.deepcopy(_SPECS[kind]), **spec},
    }


def build(kind: str, name: str = "one", /, **spec: Any) -> Resource:
    """The model of such a manifest."""
    parsed = validate(KINDS[kind], manifest(kind, name, **spec))
    assert not isinstance(parsed, Problems), str(parsed)
    return parsed


def problems_of(kind: str, name: str = "one", /, **spec: Any) -> Problems:
    """What is wrong with such a manifest; none when it is valid."""
    parsed = validate(KINDS[kind], manifest(kind, name, **spec))
    return parsed if isinstance(parsed, Problems) else Problems()


def team(*objects: AnyObject, reads_secrets: bool = True, **spec: Any) -> Resources:
    """Resources of a VirtualMCPServer called ``front`` with its group and the given objects."""
    base: Sequence[AnyObject] = (build("VirtualMCPServer", "front", **spec), build("MCPGroup", "team"))
    return build_resources("ns", (*base, *objects), reads_secrets=reads_secrets)
