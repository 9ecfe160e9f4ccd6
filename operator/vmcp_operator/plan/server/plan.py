"""The plan of an MCPServer."""

from vmcp_api.config import Transport
from vmcp_api.kinds import MCPServer
from vmcp_api.manifests.problems import Problem, Problems
from vmcp_api.render.cluster import refuse_stdio
from vmcp_operator.plan.controller import Planned
from vmcp_operator.plan.kinds import NETWORK_POLICY, Manifest
from vmcp_operator.plan.objects.children import find_stale
from vmcp_operator.plan.objects.identity import build_service_account
from vmcp_operator.plan.objects.naming import seal
from vmcp_operator.plan.objects.workload import deployment_ref
from vmcp_operator.plan.server.stdio import (
    STDIO_KINDS,
    build_bridge,
    build_process,
    build_rights,
    is_bridge,
    split_pods,
    tell_left_behind,
)
from vmcp_operator.plan.server.workload import (
    bridge_admin_port,
    build_server_deployment,
    build_server_policy,
    build_server_service,
)
from vmcp_operator.plan.targets import targets_of
from vmcp_operator.plan.world import Plan, Poll, Target, World


def plan_server(world: World) -> Planned:
    """What to write for an MCPServer, and why it does not run."""
    server = world.resources.of(MCPServer).get(world.key.name)
    if world.problems or server is None:
        return Planned(problems=world.problems)
    is_stdio = server.spec.transport is Transport.STDIO
    poll = Poll(_bridges(world, server) if is_stdio else (), None)
    if refusal := refuse_stdio(server, world.resources):
        return _plan_end(world, server, poll, refusal.problem)
    workloads = _build_stdio(world, server) if is_stdio else _build_http(world, server)
    if isinstance(workloads, Problems):
        return Planned(Plan(poll), workloads)
    policy = build_server_policy(world, server)
    rights = build_rights(world) if is_stdio else ()
    around = (
        build_service_account(world),
        *rights,
        build_server_service(world, server),
        *((policy,) if policy else ()),
    )
    manifests = (*map(seal, around), *workloads)
    return Planned(Plan(poll, apply=manifests, prune=find_stale(world, manifests, (NETWORK_POLICY, *STDIO_KINDS))))


def _bridges(world: World, server: MCPServer) -> tuple[Target, ...]:
    _, bridges = split_pods(world, world.children)
    return targets_of(bridges, bridge_admin_port(server))


def _plan_end(world: World, server: MCPServer, poll: Poll, refused: Problem) -> Planned:
    """A stdio server that may run no more: its bridge stops and loses its token, whatever else is left (ADR-0058).

    A Deployment that is no bridge serves on, as with everything that cannot be carried out.
    """
    live = world.children.get(deployment_ref(world.key))
    if live is None or not is_bridge(live, world.key):
        return Planned(Plan(poll), Problems.of(refused))
    stopped = build_bridge(world, server, replicas=0)
    apply = () if isinstance(stopped, Problems) else (stopped,)
    prune = find_stale(world, (build_service_account(world),), STDIO_KINDS)
    return Planned(Plan(poll, apply=apply, prune=prune), Problems.of(refused, tell_left_behind(world.key)))


def _build_http(world: World, server: MCPServer) -> tuple[Manifest, ...] | Problems:
    deployment = build_server_deployment(world, server)
    return deployment if isinstance(deployment, Problems) else (deployment,)


def _build_stdio(world: World, server: MCPServer) -> tuple[Manifest, ...] | Problems:
    """The process first, so that its bridge finds it."""
    process, bridge = build_process(world, server), build_bridge(world, server, replicas=server.spec.replicas)
    if isinstance(process, Problems):
        return process
    return bridge if isinstance(bridge, Problems) else (process, bridge)
