"""`status` of a VirtualMCPServer."""

from vmcp_api.kinds.virtualmcpserver import VirtualMCPServerPhase as Phase
from vmcp_api.kinds.virtualmcpserver import VirtualMCPServerStatus
from vmcp_api.trouble.pods import is_ready
from vmcp_operator.plan.conditions import MESSAGE_LIMIT, PhaseReason, build_conditions, ready_generation
from vmcp_operator.plan.kinds import MCP_GROUP
from vmcp_operator.plan.members import failed_servers
from vmcp_operator.plan.objects.naming import scale_selector
from vmcp_operator.plan.objects.workload import deployment_ref
from vmcp_operator.plan.rollout import observe_rollout
from vmcp_operator.plan.vmcp.backends import (
    ROUTABLE,
    build_backends,
    build_conflicts,
    build_unmatched,
    collect,
    report_counts,
)
from vmcp_operator.plan.vmcp.findings import vmcp_findings
from vmcp_operator.plan.vmcp.guard import find_guard
from vmcp_operator.plan.vmcp.network import service_ref, service_url
from vmcp_operator.plan.vmcp.observability import find_audit_flaw
from vmcp_operator.plan.vmcp.phase import CHECKING, HAVE_RUN, NONE_AVAILABLE, Facts, decide_phase
from vmcp_operator.plan.vmcp.plan import VmcpPlanned
from vmcp_operator.plan.world import Outcome, Status, World


def vmcp_status(
    world: World, planned: VmcpPlanned, outcome: Outcome
) -> tuple[VirtualMCPServerStatus | None, PhaseReason]:
    """The status after a plan was carried out, with the phase that it tells."""
    choice = planned.choice
    reports = collect(world, choice.digest)
    rollout = observe_rollout(outcome.children.get(deployment_ref(world.key)), world.pods, world.now)
    backends = build_backends(world, choice.config, reports)
    failed = failed_servers(world)
    facts = Facts(
        errors=choice.errors,
        template_problems=planned.problems,
        refused=outcome.refused,
        rollout=rollout,
        reports=reports,
        config=choice.config,
        digest=choice.digest,
        backends=backends,
        has_served=_has_served(world.status),
        was_ready=ready_generation(world.status) is not None,
        has_run=_has_run(world.status, world.generation),
        before=world.status.get("phase"),
        now=world.now,
        youth=world.youth,
        failed_servers=failed,
        is_group_there=any(ref.kind == MCP_GROUP for ref in world.found),
        guard=find_guard(world, choice),
        telemetry=choice.telemetry,
        composites=choice.composites,
        embeddings=choice.embeddings,
        audit_flaw=find_audit_flaw(choice.config, outcome.children.get(deployment_ref(world.key))),
        is_awaited=any(is_ready(pod) and pod["metadata"]["uid"] in world.awaited for pod in world.pods),
    )
    decided = decide_phase(facts)
    if facts.is_early and world.status.get("phase"):
        # An operator that has just started knows less than the status says.
        return None, decided
    findings = vmcp_findings(facts, decided, choice.warnings)
    counts = report_counts(reports)
    routable = sum(each.status in ROUTABLE for each in backends)
    status = VirtualMCPServerStatus(
        phase=Phase(decided.phase),
        message=decided.message[:MESSAGE_LIMIT],
        url=service_url(world.key, outcome.children.get(service_ref(world.key))),
        observed_generation=world.generation,
        replicas=rollout.replicas,
        ready_replicas=rollout.ready,
        selector=scale_selector(world.key),
        tool_count=counts.tools,
        resource_count=counts.resources,
        prompt_count=counts.prompts,
        context_bytes=counts.context_bytes,
        listed_context_bytes=counts.listed_context_bytes,
        backends=backends,
        backend_count=len(backends),
        backend_summary=f"{routable}/{len(backends)}",
        conflicts=build_conflicts(reports),
        unmatched=build_unmatched(reports),
        conditions=build_conditions(findings, world.conditions, world.now, world.generation, decided),
    )
    return status, decided


def _has_run(status: Status, generation: int) -> bool:
    """Whether Ready was said of a generation, or why it is not Ready although its pods have run."""
    said = next((each for each in status.get("conditions") or () if each["type"] == "Ready"), None)
    if said is None or said.get("observedGeneration", 0) != generation:
        return False
    return said["status"] == "True" or said["reason"] in HAVE_RUN


def _has_served(status: Status) -> bool:
    """Whether a backend has answered before: from then on, one that does not is news."""
    reasons = {each["type"]: each["reason"] for each in status.get("conditions") or ()}
    if status.get("phase") in (Phase.READY, Phase.DEGRADED) or reasons.get("Ready") == NONE_AVAILABLE:
        return True
    # The first of several that answer does not make an endpoint that is checked one that serves.
    is_checked = reasons.get("Ready") == CHECKING
    return not is_checked and any(each.get("status") in ROUTABLE for each in status.get("backends") or ())
