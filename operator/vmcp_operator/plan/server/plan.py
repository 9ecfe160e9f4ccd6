"""The plan of an MCPServer."""

from vmcp_api.config import Transport
from vmcp_api.kinds import MCPServer
from vmcp_api.manifests.problems import Problems
from vmcp_api.render.cluster import build_cluster_backend
from vmcp_api.render.member import Refusal
from vmcp_operator.plan.controller import Planned
from vmcp_operator.plan.kinds import NETWORK_POLICY
from vmcp_operator.plan.objects.children import find_stale
from vmcp_operator.plan.objects.identity import build_service_account
from vmcp_operator.plan.objects.naming import seal
from vmcp_operator.plan.server.workload import build_server_deployment, build_server_policy, build_server_service
from vmcp_operator.plan.world import Plan, World


def plan_server(world: World) -> Planned:
    """What to write for an MCPServer, and why it does not run."""
    server = world.resources.of(MCPServer).get(world.key.name)
    if world.problems or server is None:
        return Planned(problems=world.problems)
    if server.spec.transport is Transport.STDIO:
        return Planned(problems=_refusal(server, world))
    deployment = build_server_deployment(world, server)
    if isinstance(deployment, Problems):
        return Planned(problems=deployment)
    policy = build_server_policy(world, server)
    manifests = (build_service_account(world), build_server_service(world, server), *((policy,) if policy else ()))
    prune = find_stale(world, manifests, (NETWORK_POLICY,))
    return Planned(Plan(apply=(*map(seal, manifests), deployment), prune=prune))


def _refusal(server: MCPServer, world: World) -> Problems:
    """Why the server cannot be reached in a cluster, in the words that its group's endpoints use."""
    outcome = build_cluster_backend(server, world.resources)
    return Problems.of(outcome.problem) if isinstance(outcome, Refusal) else Problems()
