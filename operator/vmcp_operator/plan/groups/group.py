"""MCPGroups: who is in one, who serves it, and the entries of servers that other operators run."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from vmcp_api.kinds import MCPGroup, MCPServer, MCPServerEntry, VirtualMCPServer
from vmcp_api.kinds.foreign.lifecycle import LifecycleServer
from vmcp_api.kinds.mcpgroup import MCPGroupPhase as Phase
from vmcp_api.kinds.mcpgroup import MCPGroupStatus, ServerRef
from vmcp_api.manifests.resources import Resources
from vmcp_operator.plan.conditions import Finding, PhaseReason, build_conditions, summarise
from vmcp_operator.plan.controller import Child, Controller, Planned, Read, Selection
from vmcp_operator.plan.groups.lifecycle import (
    DISABLED,
    build_entry,
    find_left_over,
    has_twin,
    missing_server,
    say_twin,
    waiting_server,
    why_refused,
)
from vmcp_operator.plan.kinds import ENTRY, LIFECYCLE_SERVER, MCP_GROUP, SERVER, VMCP, Kind, Manifest, Ref
from vmcp_operator.plan.members import failed_servers, invalid_members, members_of
from vmcp_operator.plan.objects.children import is_owned
from vmcp_operator.plan.world import Outcome, Plan, World

_NAMED: Final = 8
MOST: Final = 256
"""Names that a list of the status holds; the counts beside them are whole."""

SERVER_REFS: Final = "ServerRefsValidated"
"""Whether the servers of other operators that a group takes are in it."""


@dataclass(frozen=True, slots=True)
class _Absent:
    """A server that a group takes and that is not in it, and why."""

    name: str
    reason: str
    message: str


def group_children(key: Ref, found: Resources, _manifest: Manifest) -> tuple[Child, ...]:
    """The entries of the servers that the group takes."""
    return tuple(Child(Ref(ENTRY, key.namespace, ref.name)) for ref in _server_refs(key, found))


def group_reads(key: Ref, found: Resources) -> tuple[Read, ...]:
    """Members and endpoints of the group, whether it is valid itself or not, and the servers that it takes."""
    servers = (Ref(LIFECYCLE_SERVER, key.namespace, ref.name) for ref in _server_refs(key, found))
    return (*members_of(key), Selection(VMCP, key), *servers)


def plan_group(world: World) -> Planned:
    """Writes an entry for each server of another operator, and removes those of servers that are gone.

    An MCPServer of ours in the group keeps its name, so that a reference of that name has no entry.
    While it cannot be told which servers are meant, everything stays as it is.
    """
    if world.problems or not world.settings.lifecycle:
        return Planned(problems=world.problems)
    servers = world.resources.of(LifecycleServer)
    named = _server_refs(world.key, world.resources)
    refs = tuple(ref for ref in named if not has_twin(world, world.key, ref.name))
    entries = tuple(
        build_entry(world, world.key.name, ref, url)
        for ref in refs
        if (server := servers.get(ref.name)) is not None and (url := server.url) is not None
    )
    prune = find_left_over(world, (ref.name for ref in refs if ref.name in servers))
    return Planned(Plan(apply=entries, prune=prune, is_loose=True))


def group_status(world: World, _planned: Planned, outcome: Outcome) -> tuple[MCPGroupStatus, PhaseReason]:
    """Who is in the group and who serves it."""
    absent = tuple(_find_absent(world, outcome))
    servers = _members(world, SERVER, MCPServer)
    entries = sorted({*_members(world, ENTRY, MCPServerEntry), *_written(world, outcome)})
    decided = _decide(world, absent, (*servers, *entries))
    endpoints = sorted(world.resources.of(VirtualMCPServer))
    findings = (
        Finding("Valid", not world.problems, "Invalid" if world.problems else "Valid", summarise(world.problems)),
        *_find_server_refs(world, absent),
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


def _server_refs(key: Ref, found: Resources) -> tuple[ServerRef, ...]:
    group = found.of(MCPGroup).get(key.name)
    return group.spec.server_refs if group else ()


def _find_absent(world: World, outcome: Outcome) -> Iterator[_Absent]:
    servers = world.resources.of(LifecycleServer)
    refused = {each.ref.name: each for each in outcome.refused if each.ref.kind == ENTRY}
    for ref in _server_refs(world.key, world.resources):
        server = servers.get(ref.name)
        if not world.settings.lifecycle:
            yield _Absent(ref.name, "LifecycleDisabled", DISABLED)
        elif server is None:
            yield _Absent(ref.name, "ServerNotFound", missing_server(ref.name))
        elif has_twin(world, world.key, ref.name):
            yield _Absent(ref.name, "NameClash", say_twin(ref.name))
        elif server.url is None:
            yield _Absent(ref.name, "ServerNotReachable", waiting_server(server))
        elif ref.name in refused:
            message = f"MCPServerEntry {ref.name!r} cannot be written: {refused[ref.name].message}"
            yield _Absent(ref.name, why_refused(world, refused[ref.name]), message)


def _find_server_refs(world: World, absent: tuple[_Absent, ...]) -> Iterator[Finding]:
    if not _server_refs(world.key, world.resources):
        return
    if not absent:
        yield Finding.true(SERVER_REFS, "ServersFound", "each has an MCPServerEntry of its name")
        return
    more = f"; and {len(absent) - _NAMED} more" if len(absent) > _NAMED else ""
    yield Finding.false(SERVER_REFS, absent[0].reason, "; ".join(each.message for each in absent[:_NAMED]) + more)


def _written(world: World, outcome: Outcome) -> Iterator[str]:
    """Entries that the group had made, some of them a moment ago."""
    for ref, manifest in outcome.children.items():
        if ref.kind == ENTRY and is_owned(manifest, world.uid):
            yield ref.name


def _members(world: World, kind: Kind, model: type[MCPServer | MCPServerEntry]) -> list[str]:
    """Names of the members of a kind, valid or not."""
    invalid = {each.ref.name for each in world.invalid if each.ref.kind == kind}
    return sorted({*world.resources.of(model), *invalid})


def _decide(world: World, absent: tuple[_Absent, ...], members: tuple[str, ...]) -> PhaseReason:
    if world.problems:
        return PhaseReason(Phase.FAILED, "Invalid", summarise(world.problems))
    # Where an entry of the name is left of before, the member is one.
    lacking = frozenset(each.name for each in absent) - frozenset(members)
    if not members and not lacking:
        message = "no members yet; set groupRef of an MCPServer or MCPServerEntry to this group"
        return PhaseReason(Phase.READY, "Empty", message)
    return _judge_members(world, absent, lacking, len(members) + len(lacking))


def _judge_members(world: World, absent: tuple[_Absent, ...], lacking: frozenset[str], total: int) -> PhaseReason:
    """A group is Ready while a member of it may serve (ADR-0036); those that may not are named."""
    invalid = {member.ref.name for member in invalid_members(world)}
    bad = sorted({*failed_servers(world), *invalid, *lacking})
    if not bad:
        return PhaseReason(Phase.READY, "HasMembers", "")
    named = ", ".join(bad[:_NAMED]) + (f" and {len(bad) - _NAMED} more" if len(bad) > _NAMED else "")
    where = f"their own status and {SERVER_REFS} say why" if lacking else "their own status says why"
    message = f"{len(bad)} of {total} members cannot serve: {named}; {where}"
    if len(bad) < total:
        return PhaseReason(Phase.READY, "SomeMembersFailed", message)
    if lacking == set(bad) and world.youth:
        return PhaseReason(Phase.PENDING, absent[0].reason, absent[0].message, world.youth)
    return PhaseReason(Phase.FAILED, "NoMemberReady", message)


GROUP_CONTROLLER: Final[Controller[Planned]] = Controller(
    kind=MCP_GROUP,
    status_type=MCPGroupStatus,
    children=group_children,
    reads=group_reads,
    plan=plan_group,
    status=group_status,
)
"""Groups and their members: who points to whom, who cannot serve."""
