"""The status of an MCPGroup: nothing runs for it."""

from typing import Any, Final

from vmcp_api.kinds.mcpgroup import MCPGroupPhase as Phase
from vmcp_operator.plan.conditions import Finding, PhaseReason, build_conditions, summarise
from vmcp_operator.plan.kinds import ENTRY, SERVER, VMCP, Ref
from vmcp_operator.plan.world import Plan, Status, World

_NAMED: Final = 8
MOST: Final = 256
"""Names that a list of the status holds; the counts beside them are whole."""


def plan_group(world: World) -> Plan:
    """Nothing to write; members and endpoints of the group decide about its status."""
    namespace, resources = world.key.namespace, world.resources
    refs = {Ref(SERVER, namespace, name) for name in resources.servers}
    refs |= {Ref(ENTRY, namespace, name) for name in resources.entries}
    refs |= {Ref(VMCP, namespace, name) for name in resources.virtual_servers}
    return Plan(refs=frozenset(refs))


def group_status(world: World) -> tuple[Status, PhaseReason]:
    """Who is in the group and who serves it."""
    resources = world.resources
    decided = _decide(world)
    invalid = {(member.kind, member.name) for member in world.invalid_members}
    servers = sorted({*resources.servers, *(name for kind, name in invalid if kind == SERVER.name)})
    entries = sorted({*resources.entries, *(name for kind, name in invalid if kind == ENTRY.name)})
    endpoints = sorted(resources.virtual_servers)
    findings = (
        Finding("Valid", not world.problems, "Invalid" if world.problems else "Valid", summarise(world.problems)),
        Finding("Ready", decided.phase == Phase.READY, decided.reason, decided.message),
    )
    status: dict[str, Any] = {
        "phase": str(decided.phase),
        "observedGeneration": world.generation,
        "servers": servers[:MOST],
        "serverCount": len(servers),
        "entries": entries[:MOST],
        "entryCount": len(entries),
        "virtualServers": endpoints[:MOST],
        "virtualServerCount": len(endpoints),
        "conditions": build_conditions(findings, world.status.get("conditions") or (), world.now, world.generation),
    }
    return {key: value for key, value in status.items() if value != []}, decided


def _decide(world: World) -> PhaseReason:
    if world.problems:
        return PhaseReason(Phase.FAILED, "Invalid", summarise(world.problems))
    if not world.resources.servers and not world.resources.entries and not world.invalid_members:
        message = "no members yet; set groupRef of an MCPServer or MCPServerEntry to this group"
        return PhaseReason(Phase.READY, "Empty", message)
    return _judge_members(world)


def _judge_members(world: World) -> PhaseReason:
    """A group is Ready while a member of it may serve (ADR-0036); those that may not are named."""
    bad = sorted({*world.failed_servers, *(member.name for member in world.invalid_members)})
    if not bad:
        return PhaseReason(Phase.READY, "HasMembers", "")
    total = len(world.resources.servers) + len(world.resources.entries) + len(world.invalid_members)
    named = ", ".join(bad[:_NAMED]) + (f" and {len(bad) - _NAMED} more" if len(bad) > _NAMED else "")
    message = f"{len(bad)} of {total} members cannot serve: {named}; their own status says why"
    if len(bad) < total:
        return PhaseReason(Phase.READY, "SomeMembersFailed", message)
    return PhaseReason(Phase.FAILED, "NoMemberReady", message)
