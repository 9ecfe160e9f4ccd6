"""The plan and the status of an MCPServer."""

from typing import Any

from vmcp_api.config import Transport
from vmcp_api.kinds import MCPServer
from vmcp_api.kinds.mcpserver import MCPServerPhase as Phase
from vmcp_api.naming import server_url
from vmcp_api.problems import Problems
from vmcp_api.render.cluster import build_cluster_backend, default_path
from vmcp_api.render.member import Refusal
from vmcp_operator.plan.conditions import Finding, build_conditions
from vmcp_operator.plan.kinds import DEPLOYMENT, MCP_GROUP, NETWORK_POLICY, SERVICE, SERVICE_ACCOUNT, Ref, ref_of
from vmcp_operator.plan.naming import object_name, scale_selector, seal
from vmcp_operator.plan.phase import summarise
from vmcp_operator.plan.rollout import Rollout, observe_rollout
from vmcp_operator.plan.serverworkload import (
    build_server_account,
    build_server_deployment,
    build_server_policy,
    build_server_service,
)
from vmcp_operator.plan.standing import Standing
from vmcp_operator.plan.world import Outcome, Plan, Refused, Status, World


def server_child_refs(key: Ref) -> tuple[Ref, ...]:
    """Every child of an MCPServer."""
    kinds = (SERVICE_ACCOUNT, NETWORK_POLICY, SERVICE, DEPLOYMENT)
    return tuple(Ref(kind, key.namespace, object_name(key)) for kind in kinds)


def plan_server(world: World) -> tuple[Plan, Problems]:
    """What to write for an MCPServer, and why it does not run."""
    server = world.resources.servers.get(world.key.name)
    if world.problems or server is None:
        return Plan(), world.problems
    group = server.spec.group_ref
    refs = frozenset({Ref(MCP_GROUP, world.key.namespace, group.name)} if group else ())
    if server.spec.transport is Transport.STDIO:
        return Plan(refs=refs), _refusal(server, world)
    deployment = build_server_deployment(world, server)
    if isinstance(deployment, Problems):
        return Plan(refs=refs), deployment
    policy = build_server_policy(world, server)
    manifests = (build_server_account(world), build_server_service(world, server), *((policy,) if policy else ()))
    plan = Plan(
        apply=(*map(seal, manifests), deployment),
        prune=() if policy else _stale_policy(world),
        refs=refs,
    )
    return plan, Problems()


def server_status(world: World, problems: Problems, outcome: Outcome) -> tuple[Status, Standing]:
    """The status after a plan was carried out."""
    server = world.resources.servers.get(world.key.name)
    deployment = outcome.children.get(Ref(DEPLOYMENT, world.key.namespace, object_name(world.key)))
    rollout = observe_rollout(deployment, world.pods)
    standing = _decide(problems, outcome.refused, rollout)
    findings = (
        Finding("Valid", not problems, "Invalid" if problems else "Valid", summarise(problems)),
        *_group(world, server),
        _available(rollout),
        Finding("Ready", standing.phase == Phase.READY, standing.reason, standing.message),
    )
    status: dict[str, Any] = {
        "phase": str(standing.phase),
        "message": standing.message,
        "url": _url(world, server) if server and not problems else None,
        "observedGeneration": world.generation,
        "replicas": rollout.replicas,
        "readyReplicas": rollout.ready,
        "selector": scale_selector(world.key),
        "conditions": build_conditions(findings, world.status.get("conditions") or (), world.now, world.generation),
    }
    return {key: value for key, value in status.items() if value is not None}, standing


def _decide(problems: Problems, refused: tuple[Refused, ...], rollout: Rollout) -> Standing:
    if problems:
        return Standing(Phase.FAILED, "Invalid", summarise(problems))
    if refused:
        first = refused[0]
        return Standing(Phase.FAILED, "Refused", f"{first.ref.kind} {first.ref.name} was refused: {first.message}")
    if rollout.trouble and not rollout.ready:
        return Standing(Phase.FAILED, rollout.trouble.reason, rollout.trouble.message)
    if rollout.wanted == 0:
        return Standing(Phase.PENDING, "ScaledToZero", "scaled to zero; set replicas to serve")
    if not rollout.ready:
        return Standing(Phase.PENDING, "PodsStarting", f"waiting for pods: 0 of {rollout.wanted or 1} ready")
    trouble = f"; of the next ones: {rollout.trouble.message}" if rollout.trouble else ""
    return Standing(Phase.READY, "Running", f"{rollout.ready} of {rollout.wanted} pods ready{trouble}")


def _group(world: World, server: MCPServer | None) -> tuple[Finding, ...]:
    if server is None or server.spec.group_ref is None:
        return ()
    name = server.spec.group_ref.name
    if name in world.resources.groups:
        return (Finding.true("GroupRefValidated", "GroupFound", "the group exists"),)
    message = f"MCPGroup {name!r} does not exist in this namespace; create it, or name another"
    return (Finding.false("GroupRefValidated", "GroupNotFound", message),)


def _available(rollout: Rollout) -> Finding:
    if rollout.trouble:
        return Finding("DeploymentAvailable", rollout.ready > 0, rollout.trouble.reason, rollout.trouble.message)
    said = f"{rollout.ready} of {rollout.wanted or 0} pods ready"
    return Finding("DeploymentAvailable", rollout.ready > 0, "Available" if rollout.ready else "PodsStarting", said)


def _refusal(server: MCPServer, world: World) -> Problems:
    """Why the server cannot be reached in a cluster, in the words that its group's endpoints use."""
    outcome = build_cluster_backend(server, world.resources)
    return Problems.of(outcome.problem) if isinstance(outcome, Refusal) else Problems()


def _url(world: World, server: MCPServer) -> str:
    spec = server.spec
    path = spec.path or default_path(spec.transport)
    return server_url(world.key.name, world.key.namespace, spec.mcp_port, path)


def _stale_policy(world: World) -> tuple[tuple[Ref, str], ...]:
    live = world.children.get(Ref(NETWORK_POLICY, world.key.namespace, object_name(world.key)))
    if live is None or not any(
        owner.get("uid") == world.uid for owner in live["metadata"].get("ownerReferences") or ()
    ):
        return ()
    return ((ref_of(live), live["metadata"]["uid"]),)
