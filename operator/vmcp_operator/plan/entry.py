"""The status of an MCPServerEntry: nothing runs for it."""

from typing import Any

from vmcp_api.kinds import MCPServerEntry
from vmcp_api.kinds.mcpserverentry import MCPServerEntryPhase as Phase
from vmcp_api.manifests.problems import Problems
from vmcp_api.render.member import refuse_missing
from vmcp_api.render.server import clash
from vmcp_operator.plan.conditions import Finding, PhaseReason, build_conditions, summarise
from vmcp_operator.plan.kinds import CONFIG_MAP, MCP_GROUP, SERVER, Ref
from vmcp_operator.plan.world import Plan, Status, World


def plan_entry(world: World) -> Plan:
    """Nothing to write; the group, the CA bundle and a server of the same name decide about the status."""
    entry = world.resources.entries.get(world.key.name)
    if entry is None:
        return Plan()
    namespace = world.key.namespace
    refs = {Ref(MCP_GROUP, namespace, entry.spec.group_ref.name), Ref(SERVER, namespace, world.key.name)}
    if entry.spec.ca_bundle_ref:
        refs.add(Ref(CONFIG_MAP, namespace, entry.spec.ca_bundle_ref.config_map_ref.name))
    return Plan(refs=frozenset(refs))


def entry_status(world: World) -> tuple[Status, PhaseReason]:
    """Whether the entry can be served as it is written."""
    entry = world.resources.entries.get(world.key.name)
    problems = _problems(world, entry)
    group = _group(world, entry)
    decided = _decide(problems, group, world.youth)
    findings = (
        Finding("Valid", not problems, "Invalid" if problems else "Valid", summarise(problems)),
        group,
        Finding("Ready", decided.phase == Phase.VALID, decided.reason, decided.message),
    )
    status: dict[str, Any] = {
        "phase": str(decided.phase),
        "message": decided.message,
        "observedGeneration": world.generation,
        "conditions": build_conditions(findings, world.status.get("conditions") or (), world.now, world.generation),
    }
    return status, decided


def _problems(world: World, entry: MCPServerEntry | None) -> Problems:
    if world.problems or entry is None:
        return world.problems
    # A server that does not validate claims the name too.
    if entry.metadata.name in {*world.resources.servers, *(each.name for each in world.invalid_members)}:
        return Problems.of(clash(world.key.kind.name))
    refusal = refuse_missing(entry, world.resources)
    return Problems.of(refusal.problem) if refusal else Problems()


def _group(world: World, entry: MCPServerEntry | None) -> Finding:
    if entry is None:
        return Finding.unknown("GroupRefValidated", "Invalid", "the entry cannot be read")
    name = entry.spec.group_ref.name
    if name in world.resources.groups:
        return Finding.true("GroupRefValidated", "GroupFound", "the group exists")
    message = f"MCPGroup {name!r} does not exist in this namespace; create it, or name another"
    return Finding.false("GroupRefValidated", "GroupNotFound", message)


def _decide(problems: Problems, group: Finding, youth: float | None) -> PhaseReason:
    if problems:
        return PhaseReason(Phase.FAILED, "Invalid", summarise(problems))
    if group.holds is False:
        return PhaseReason(Phase.PENDING if youth else Phase.FAILED, group.reason, group.message, youth)
    return PhaseReason(Phase.VALID, "Valid", "the entry can be served")
