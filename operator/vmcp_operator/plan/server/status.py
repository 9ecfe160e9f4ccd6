"""The status of an MCPServer."""

from typing import Final

from vmcp_api.config import Transport
from vmcp_api.kinds import MCPServer
from vmcp_api.kinds.mcpserver import MCPServerPhase as Phase
from vmcp_api.kinds.mcpserver import MCPServerStatus
from vmcp_api.manifests.problems import Problems
from vmcp_api.render.cluster import refuse_stdio, url_of_server
from vmcp_api.render.outgoing import refuse_reference
from vmcp_api.render.tools.configs import refuse_tool_config
from vmcp_api.trouble import Trouble
from vmcp_operator.plan.conditions import (
    MESSAGE_LIMIT,
    Finding,
    PhaseReason,
    build_conditions,
    deployment_finding,
    ready_generation,
    summarise,
)
from vmcp_operator.plan.controller import Planned
from vmcp_operator.plan.kinds import Manifest
from vmcp_operator.plan.members import TOOL_CONFIGS, group_finding
from vmcp_operator.plan.objects.naming import scale_selector
from vmcp_operator.plan.objects.workload import deployment_ref
from vmcp_operator.plan.rollout import ROLLING_OUT, Rollout, both, observe_rollout, observe_stateful_set
from vmcp_operator.plan.server.stdio import split_pods, stateful_set_ref
from vmcp_operator.plan.world import Outcome, Refused, World

REFUSED: Final = "Refused"
"""Reason of a server of which the API server did not take, or let go, an object."""


def server_status(world: World, planned: Planned, outcome: Outcome) -> tuple[MCPServerStatus | None, PhaseReason]:
    """The status after a plan was carried out."""
    server, problems = world.resources.of(MCPServer).get(world.key.name), planned.problems
    refusal = refuse_stdio(server, world.resources) if server else None
    invalid = refusal.reason if refusal else "Invalid"
    rollout = _rollout(world, server, outcome)
    proved = ready_generation(world.status)
    decided = _broken(problems, invalid, outcome.refused, rollout)
    if decided is None and proved is not None and not rollout.is_current:
        # The Deployment's controller has not seen the present generation: the status speaks of the one before.
        return None, PhaseReason(Phase.READY, "Running", "")
    groups = _group(world, server)
    decided = decided or _outside(world, groups) or _running(rollout, is_proved=proved == world.generation)
    findings = (
        Finding("Valid", not problems, invalid if problems else "Valid", summarise(problems)),
        *groups,
        *_auth(world, server),
        *_tools(world, server),
        deployment_finding(rollout),
        Finding("Ready", decided.phase == Phase.READY, decided.reason, decided.message),
    )
    status = MCPServerStatus(
        phase=Phase(decided.phase),
        message=decided.message[:MESSAGE_LIMIT],
        url=url_of_server(server) if server and not problems else None,
        observed_generation=world.generation,
        replicas=rollout.replicas,
        ready_replicas=rollout.ready,
        selector=scale_selector(world.key),
        conditions=build_conditions(findings, world.conditions, world.now, world.generation, decided),
    )
    return status, decided


def _rollout(world: World, server: MCPServer | None, outcome: Outcome) -> Rollout:
    """How what serves fares; of a stdio server that is a process and its bridge."""
    deployment = outcome.children.get(deployment_ref(world.key))
    if server is None or server.spec.transport is not Transport.STDIO:
        return observe_rollout(deployment, world.pods, world.now)
    process = outcome.children.get(stateful_set_ref(world.key))
    of_process, of_bridge = split_pods(world, outcome.children)
    return both(
        observe_stateful_set(process, of_process, world.now),
        observe_rollout(deployment, of_bridge, world.now, _lack(world, of_bridge)),
    )


def _lack(world: World, bridges: tuple[Manifest, ...]) -> Trouble | None:
    """Why a bridge cannot call its process, in its own words."""
    reports = (world.reports.get(pod["metadata"]["uid"]) for pod in bridges)
    lack = next((report.lack for report in reports if report and report.lack), None)
    return Trouble("BridgeNotReady", f"its bridge is not ready: {lack}") if lack else None


def _broken(problems: Problems, invalid: str, refused: tuple[Refused, ...], rollout: Rollout) -> PhaseReason | None:
    if problems:
        return PhaseReason(Phase.FAILED, invalid, summarise(problems))
    if refused:
        first = refused[0]
        return PhaseReason(Phase.FAILED, REFUSED, f"{first.ref.kind} {first.ref.name} was refused: {first.message}")
    trouble = rollout.trouble
    if trouble and not rollout.steady:
        return PhaseReason(Phase.FAILED, trouble.reason, trouble.message, trouble.again)
    return None


def _outside(world: World, groups: tuple[Finding, ...]) -> PhaseReason | None:
    """A server that names a group which is not there serves nobody, whether it runs or not."""
    for each in groups:
        if each.holds is False:
            phase = Phase.PENDING if world.youth else Phase.FAILED
            return PhaseReason(phase, each.reason, each.message, world.youth)
    return None


def _running(rollout: Rollout, *, is_proved: bool) -> PhaseReason:
    trouble = rollout.trouble
    if rollout.wanted == 0:
        return PhaseReason(Phase.PENDING, "ScaledToZero", "scaled to zero; set replicas to serve")
    if not rollout.ready:
        waits = rollout.waiting.reason if rollout.waiting else "PodsStarting"
        return PhaseReason(Phase.PENDING, waits, rollout.progress(), rollout.again)
    if not is_proved and not rollout.is_complete:
        said = f"{trouble.message}; other pods serve" if trouble else rollout.progress()
        return PhaseReason(Phase.PENDING, trouble.reason if trouble else ROLLING_OUT, said, rollout.again)
    said = f"; of the next ones: {trouble.message}" if trouble else ""
    return PhaseReason(Phase.READY, "Running", f"{rollout.ready} of {rollout.wanted} pods ready{said}", rollout.again)


def _group(world: World, server: MCPServer | None) -> tuple[Finding, ...]:
    if server is None or server.spec.group_ref is None:
        return ()
    return (group_finding(server.spec.group_ref.name, world.resources),)


def _auth(world: World, server: MCPServer | None) -> tuple[Finding, ...]:
    """Whether what the server is shown can be told; its pods run either way, and no endpoint that asks it serves it."""
    if server is None or server.spec.external_auth_config_ref is None:
        return ()
    if refusal := refuse_reference(server, world.resources):
        return (Finding.false("AuthConfigured", refusal.reason, str(refusal.problem)),)
    return (Finding.true("AuthConfigured", "Configured"),)


def _tools(world: World, server: MCPServer | None) -> tuple[Finding, ...]:
    """Whether it can be told which of its tools are seen; its pods run either way, and no endpoint serves it."""
    if server is None or server.spec.tool_config_ref is None:
        return ()
    if refusal := refuse_tool_config(server, world.resources):
        return (Finding.false(TOOL_CONFIGS, refusal.reason, str(refusal.problem)),)
    return (Finding.true(TOOL_CONFIGS, "ToolConfigRefsValid"),)
