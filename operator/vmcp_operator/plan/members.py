"""Groups and their members: who points to whom, who cannot serve."""

from typing import Final

from vmcp_api.kinds import MCPGroup
from vmcp_api.kinds.mcpserver import MCPServerPhase
from vmcp_api.manifests.resources import Resources
from vmcp_operator.plan.conditions import Finding
from vmcp_operator.plan.controller import Read, Selection
from vmcp_operator.plan.kinds import ENTRY, SERVER, Ref
from vmcp_operator.plan.world import Invalid, World

MEMBERS: Final = (SERVER, ENTRY)
"""Kinds that join a group."""

GROUP_NOT_FOUND: Final = "GroupNotFound"
"""Reason of a resource whose group is not there."""

TOOL_CONFIGS: Final = "ToolConfigRefsValidated"
"""Whether it can be told which tools of a resource are seen."""

GROUP_INVALID: Final = "GroupInvalid"
"""Reason of a resource whose group is there and does not validate."""


def members_of(group: Ref) -> tuple[Read, ...]:
    """Reads all members of a group."""
    return tuple(Selection(kind, group) for kind in MEMBERS)


def invalid_members(world: World) -> tuple[Invalid, ...]:
    """Members of the group that do not validate."""
    return tuple(each for each in world.invalid if each.ref.kind in MEMBERS)


def failed_servers(world: World) -> frozenset[str]:
    """Names of the MCPServers that were read and whose own status says Failed."""
    return frozenset(
        ref.name
        for ref, manifest in world.found.items()
        if ref.kind == SERVER and (manifest.get("status") or {}).get("phase") == MCPServerPhase.FAILED
    )


def ended_processes(world: World) -> dict[str, str]:
    """Why stdio servers have no process that could answer, by their names: a bridge goes on without one (ADR-0058)."""
    return {
        ref.name: str(manifest["status"].get("message") or "its process does not run")
        for ref, manifest in world.found.items()
        if ref.kind == SERVER
        and (manifest.get("spec") or {}).get("transport") == "stdio"
        and (manifest.get("status") or {}).get("phase") == MCPServerPhase.FAILED
    }


def group_finding(name: str, found: Resources) -> Finding:
    """Whether the group that a member names is there."""
    if name in found.of(MCPGroup):
        return Finding.true("GroupRefValidated", "GroupFound", "the group exists")
    if (MCPGroup.__name__, name) in found.invalid:
        message = f"MCPGroup {name!r} is not valid; its own status says why, correct it there"
        return Finding.false("GroupRefValidated", GROUP_INVALID, message)
    message = f"MCPGroup {name!r} does not exist in this namespace; create it, or name another"
    return Finding.false("GroupRefValidated", GROUP_NOT_FOUND, message)
