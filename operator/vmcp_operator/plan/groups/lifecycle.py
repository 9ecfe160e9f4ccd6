"""Servers of the MCP Lifecycle Operator as members of a group: each becomes an MCPServerEntry (ADR-0069)."""

from collections.abc import Iterable
from typing import Final

from vmcp_api.base import Json
from vmcp_api.kinds.foreign.lifecycle import LifecycleServer
from vmcp_api.kinds.mcpgroup import ServerRef
from vmcp_api.naming import JOINED_BY
from vmcp_operator.plan.kinds import ENTRY, GATEWAY_BINDING, SERVER, Manifest, Ref
from vmcp_operator.plan.objects.children import build_owned, is_owned
from vmcp_operator.plan.objects.naming import MANAGED_BY_LABEL, OPERATOR, seal
from vmcp_operator.plan.pointers import group_of
from vmcp_operator.plan.world import Refused, World

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
    if world.key.kind == GATEWAY_BINDING:
        # By this an endpoint knows that the group's owner has to have consented.
        labels[JOINED_BY] = GATEWAY_BINDING.name
    return seal(build_owned(ENTRY, world.key, world.uid, ref.name, labels, spec={**spec, **written}))


def missing_server(name: str) -> str:
    """What is said of a server that is not there."""
    return f"MCPServer.mcp.x-k8s.io {name!r} does not exist in this namespace; create it, or name another"


def waiting_server(server: LifecycleServer) -> str:
    """What is said of a server that cannot be reached yet."""
    return f"MCPServer.mcp.x-k8s.io {server.name!r} cannot be reached: {server.problem}"


def has_twin(world: World, group: Ref, name: str) -> bool:
    """Whether an MCPServer of ours is in the group under the name of such a server; it keeps the name."""
    twin = world.found.get(Ref(SERVER, world.key.namespace, name))
    return twin is not None and group in group_of(twin)


def say_twin(name: str) -> str:
    """What is said of a server whose name one of ours has."""
    return f"MCPServer.vmcp.dev {name!r} of the same name is in the group, and is served; rename one of the two"


def why_refused(world: World, refused: Refused) -> str:
    """The reason of an entry that is not written: another's has its name, or the API server does not take it."""
    live = world.children.get(refused.ref)
    return "Refused" if live is None or is_owned(live, world.uid) else "NameClash"


def find_left_over(world: World, kept: Iterable[str]) -> tuple[tuple[Ref, str], ...]:
    """Entries that the resource had made, with their uids, and that it asks for no more."""
    names = frozenset(kept)
    return tuple(
        (ref, manifest["metadata"]["uid"])
        for ref, manifest in world.found.items()
        if ref.kind == ENTRY and ref.name not in names and is_owned(manifest, world.uid)
    )
