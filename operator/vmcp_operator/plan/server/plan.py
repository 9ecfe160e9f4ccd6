"""The plan of an MCPServer."""

from vmcp_api.config import Transport
from vmcp_api.kinds import MCPServer
from vmcp_api.manifests.problems import Problems
from vmcp_api.render.cluster import refuse_stdio
from vmcp_operator.plan.controller import Planned
from vmcp_operator.plan.kinds import NETWORK_POLICY, Manifest
from vmcp_operator.plan.objects.children import find_stale
from vmcp_operator.plan.objects.identity import build_service_account
from vmcp_operator.plan.objects.naming import seal
from vmcp_operator.plan.server.stdio import STDIO_KINDS, build_bridge, build_process, build_rights
from vmcp_operator.plan.server.workload import build_server_deployment, build_server_policy, build_server_service
from vmcp_operator.plan.world import Plan, World


def plan_server(world: World) -> Planned:
    """What to write for an MCPServer, and why it does not run."""
    server = world.resources.of(MCPServer).get(world.key.name)
    if world.problems or server is None:
        return Planned(problems=world.problems)
    if refusal := refuse_stdio(server, world.resources):
        return Planned(problems=Problems.of(refusal.problem))
    is_stdio = server.spec.transport is Transport.STDIO
    workloads = _build_stdio(world, server) if is_stdio else _build_http(world, server)
    if isinstance(workloads, Problems):
        return Planned(problems=workloads)
    policy = build_server_policy(world, server)
    rights = build_rights(world) if is_stdio else ()
    around = (
        build_service_account(world),
        *rights,
        build_server_service(world, server),
        *((policy,) if policy else ()),
    )
    manifests = (*map(seal, around), *workloads)
    return Planned(Plan(apply=manifests, prune=find_stale(world, manifests, (NETWORK_POLICY, *STDIO_KINDS))))


def _build_http(world: World, server: MCPServer) -> tuple[Manifest, ...] | Problems:
    deployment = build_server_deployment(world, server)
    return deployment if isinstance(deployment, Problems) else (deployment,)


def _build_stdio(world: World, server: MCPServer) -> tuple[Manifest, ...] | Problems:
    """The process first, so that its bridge finds it."""
    process, bridge = build_process(world, server), build_bridge(world, server)
    if isinstance(process, Problems):
        return process
    return bridge if isinstance(bridge, Problems) else (process, bridge)
