"""The status of an MCPServerEntry: nothing runs for it."""

from typing import Final

from vmcp_api.kinds import MCPServerEntry
from vmcp_api.kinds.mcpserverentry import MCPServerEntryPhase as Phase
from vmcp_api.kinds.mcpserverentry import MCPServerEntryStatus
from vmcp_api.manifests.problems import Problems
from vmcp_api.manifests.resources import Resources
from vmcp_api.render.member import refuse_missing
from vmcp_api.render.members import clash
from vmcp_api.render.outgoing import refuse_reference
from vmcp_api.render.tools.configs import refuse_tool_config
from vmcp_operator.plan.conditions import MESSAGE_LIMIT, Finding, PhaseReason, build_conditions, summarise
from vmcp_operator.plan.controller import Controller, Planned, Read, plan_nothing
from vmcp_operator.plan.kinds import ENTRY, MCP_GROUP, SERVER, Ref
from vmcp_operator.plan.members import group_finding
from vmcp_operator.plan.pointers import group_of, points_of_entry
from vmcp_operator.plan.references import read_entry_bundles, read_member_auth, read_member_tools
from vmcp_operator.plan.world import Outcome, World


def entry_reads(key: Ref, found: Resources) -> tuple[Read, ...]:
    """The group, what the entry is shown, which of its tools are seen, CA bundles, a server of the same name."""
    entry = found.of(MCPServerEntry).get(key.name)
    if entry is None:
        return ()
    group = Ref(MCP_GROUP, key.namespace, entry.spec.group_ref.name)
    return (
        group,
        Ref(SERVER, key.namespace, key.name),
        *read_entry_bundles(key.namespace, found),
        *read_member_auth(key.namespace, found),
        *read_member_tools(key.namespace, found),
    )


def entry_status(world: World, _planned: Planned, _outcome: Outcome) -> tuple[MCPServerEntryStatus, PhaseReason]:
    """Whether the entry can be served as it is written."""
    entry = world.resources.of(MCPServerEntry).get(world.key.name)
    problems = _problems(world, entry)
    group = _group(world, entry)
    decided = _decide(problems, group, world.youth)
    findings = (
        _valid(problems, decided),
        group,
        Finding("Ready", decided.phase == Phase.VALID, decided.reason, decided.message),
    )
    status = MCPServerEntryStatus(
        phase=Phase(decided.phase),
        message=decided.message[:MESSAGE_LIMIT],
        observed_generation=world.generation,
        conditions=build_conditions(findings, world.conditions, world.now, world.generation, decided),
    )
    return status, decided


def _problems(world: World, entry: MCPServerEntry | None) -> Problems:
    if world.problems or entry is None:
        return world.problems
    # A server that does not validate claims the name too.
    twin = world.found.get(Ref(SERVER, world.key.namespace, world.key.name))
    if twin is not None and group_of(twin) == group_of(world.manifest):
        return Problems.of(clash(world.key.kind.name))
    refusal = (
        refuse_missing(entry, world.resources)
        or refuse_reference(entry, world.resources)
        or refuse_tool_config(entry, world.resources)
    )
    return Problems.of(refusal.problem) if refusal else Problems()


def _group(world: World, entry: MCPServerEntry | None) -> Finding:
    if entry is None:
        return Finding.unknown("GroupRefValidated", "Invalid", "the entry cannot be read")
    return group_finding(entry.spec.group_ref.name, world.resources)


def _valid(problems: Problems, decided: PhaseReason) -> Finding:
    if not problems:
        return Finding.true("Valid", "Valid")
    return Finding("Valid", None if decided.phase == Phase.PENDING else False, decided.reason, decided.message)


def _decide(problems: Problems, group: Finding, youth: float | None) -> PhaseReason:
    if problems:
        if problems.may_come and youth:
            return PhaseReason(Phase.PENDING, "ReferenceNotFound", summarise(problems), youth)
        return PhaseReason(Phase.FAILED, "Invalid", summarise(problems))
    if group.holds is False:
        return PhaseReason(Phase.PENDING if youth else Phase.FAILED, group.reason, group.message, youth)
    return PhaseReason(Phase.VALID, "Valid", "the entry can be served")


ENTRY_CONTROLLER: Final[Controller[Planned]] = Controller(
    kind=ENTRY,
    status_type=MCPServerEntryStatus,
    points_to=points_of_entry,
    reads=entry_reads,
    plan=plan_nothing,
    status=entry_status,
)
