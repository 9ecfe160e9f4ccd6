"""Servers of the MCP Lifecycle Operator as members of a group: each becomes an MCPServerEntry (ADR-0069)."""

from collections.abc import Iterable
from typing import Final

from vmcp_api.base import Json
from vmcp_api.kinds.foreign.lifecycle import LifecycleServer
from vmcp_api.kinds.mcpgroup import ServerRef
from vmcp_operator.plan.kinds import ENTRY, Manifest, Ref
from vmcp_operator.plan.objects.children import build_owned, is_owned
from vmcp_operator.plan.objects.naming import MANAGED_BY_LABEL, OPERATOR, seal
from vmcp_operator.plan.world import World

DISABLED: Final = "the operator does not look at servers of mcp.x-k8s.io; set mcpLifecycle.enabled of its chart"
"""What is said where a server is referred to and nobody may read it."""


def build_entry(world: World, group: str, ref: ServerRef, url: str) -> Manifest:
    """The entry by which a server is in a group, owned by the resource that asks for it.

    Its Service is in the cluster, so that the URL may lead to private addresses.
    """
    spec: dict[str, Json] = {
        "remoteUrl": url,
        "transport": "streamable-http",
        "groupRef": {"name": group},
        "allowPrivateEndpoint": True,
    }
    written = ref.model_dump(mode="json", by_alias=True, exclude_none=True, exclude={"api_group", "kind", "name"})
    labels = {MANAGED_BY_LABEL: OPERATOR}
    return seal(build_owned(ENTRY, world.key, world.uid, ref.name, labels, spec={**spec, **written}))


def missing_server(name: str) -> str:
    """What is said of a server that is not there."""
    return f"MCPServer.mcp.x-k8s.io {name!r} does not exist in this namespace; create it, or name another"


def waiting_server(server: LifecycleServer) -> str:
    """What is said of a server that cannot be reached yet."""
    return f"MCPServer.mcp.x-k8s.io {server.name!r} cannot be reached: {server.problem}"


def find_left_over(world: World, kept: Iterable[str]) -> tuple[tuple[Ref, str], ...]:
    """Entries that the resource had made, with their uids, and that it asks for no more."""
    names = frozenset(kept)
    return tuple(
        (ref, manifest["metadata"]["uid"])
        for ref, manifest in world.found.items()
        if ref.kind == ENTRY and ref.name not in names and is_owned(manifest, world.uid)
    )
