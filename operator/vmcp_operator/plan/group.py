"""The status of an MCPGroup: nothing runs for it."""

from typing import Final

from vmcp_api.kinds import MCPServer, MCPServerEntry, VirtualMCPServer
from vmcp_api.kinds.mcpgroup import MCPGroupPhase as Phase
from vmcp_api.kinds.mcpgroup import MCPGroupStatus
from vmcp_api.manifests.resources import Resources
from vmcp_operator.plan.conditions import Finding, PhaseReason, build_conditions, summarise
from vmcp_operator.plan.controller import Controller, Planned, Read, Selection, plan_nothing
from vmcp_operator.plan.kinds import ENTRY, MCP_GROUP, SERVER, VMCP, Kind, Ref
from vmcp_operator.plan.members import failed_servers, invalid_members, members_of
from vmcp_operator.plan.world import Outcome, World

_NAMED: Final = 8
MOST: Final = 256
"""Names that a list of the status holds; the counts beside them are whole."""


def group_reads(key: Ref, _found: Resources) -> tuple[Read, ...]:
    """Members and endpoints of the group, whether it is valid itself or not."""
    return (*members_of(key), Selection(VMCP, key))


def group_status(world: World, _planned: Planned, _outcome: Outcome) -> tuple[MCPGroupStatus, PhaseReason]:
    """Who is in the group and who serves it."""
    decided = _decide(world)
    servers, entries = _members(world, SERVER, MCPServer), _members(world, ENTRY, MCPServerEntry)
    endpoints = sorted(world.resources.of(VirtualMCPServer))
    findings = (
        Finding("Valid", not world.problems, "Invalid" if world.problems else "Valid", summarise(world.problems)),
        Finding("Ready", decided.phase == Phase.READY, decided.reason, decided.message),
    )
    status = MCPGroupStatus(
        phase=Phase(decided.phase),
        observed_generation=world.generation,
        servers=tuple(servers[:MOST]),
        server_count=len(servers),
        entries=tuple(entries[:MOST]),
        entry_count=len(entries),
        virtual_servers=tuple(endpoints[:MOST]),
        virtual_server_count=len(endpoints),
        conditions=build_conditions(findings, world.conditions, world.now, world.generation, decided),
    )
    return status, decided


def _members(world: World, kind: Kind, model: type[MCPServer | MCPServerEntry]) -> list[str]:
    """Names of the members of a kind, valid or not."""
    invalid = {each.ref.name for each in world.invalid if each.ref.kind == kind}
    return sorted({*world.resources.of(model), *invalid})


def _decide(world: World) -> PhaseReason:
    if world.problems:
        return PhaseReason(Phase.FAILED, "Invalid", summarise(world.problems))
    if not _count(world):
        message = "no members yet; set groupRef of an MCPServer or MCPServerEntry to this group"
        return PhaseReason(Phase.READY, "Empty", message)
    return _judge_members(world)


def _count(world: World) -> int:
    resources = world.resources
    return len(resources.of(MCPServer)) + len(resources.of(MCPServerEntry)) + len(invalid_members(world))


def _judge_members(world: World) -> PhaseReason:
    """A group is Ready while a member of it may serve (ADR-0036); those that may not are named."""
    bad = sorted({*failed_servers(world), *(member.ref.name for member in invalid_members(world))})
    if not bad:
        return PhaseReason(Phase.READY, "HasMembers", "")
    total = _count(world)
    named = ", ".join(bad[:_NAMED]) + (f" and {len(bad) - _NAMED} more" if len(bad) > _NAMED else "")
    message = f"{len(bad)} of {total} members cannot serve: {named}; their own status says why"
    if len(bad) < total:
        return PhaseReason(Phase.READY, "SomeMembersFailed", message)
    return PhaseReason(Phase.FAILED, "NoMemberReady", message)


GROUP_CONTROLLER: Final[Controller[Planned]] = Controller(
    kind=MCP_GROUP, status_type=MCPGroupStatus, reads=group_reads, plan=plan_nothing, status=group_status
)
