"""The plan of a VirtualMCPServer."""

from dataclasses import dataclass, field, replace
from typing import Final

from vmcp_api.config import ProxyConfig
from vmcp_api.kinds import VirtualMCPServer
from vmcp_api.manifests.problems import Problems
from vmcp_operator.plan.controller import Planned
from vmcp_operator.plan.kinds import DISRUPTION_BUDGET, NETWORK_POLICY, SERVICE_ACCOUNT, Manifest
from vmcp_operator.plan.objects.children import find_stale
from vmcp_operator.plan.objects.identity import build_keys, build_service_account
from vmcp_operator.plan.objects.naming import seal
from vmcp_operator.plan.objects.workload import deployment_ref
from vmcp_operator.plan.targets import targets_of
from vmcp_operator.plan.vmcp.config import Choice, build_config_map, choose_config
from vmcp_operator.plan.vmcp.network import (
    build_disruption_budget,
    build_network_policy,
    build_service,
)
from vmcp_operator.plan.vmcp.refresh import build_stamps
from vmcp_operator.plan.vmcp.workload import build_proxy_deployment
from vmcp_operator.plan.world import Plan, Poll, World

_OPTIONAL: Final = (NETWORK_POLICY, DISRUPTION_BUDGET, SERVICE_ACCOUNT)
"""Kinds of children that a resource may stop to ask for."""


@dataclass(frozen=True, slots=True)
class VmcpPlanned(Planned):
    """A plan with the config that was chosen for it; the problems are those of the pod template."""

    choice: Choice = field(default_factory=Choice)


def plan_vmcp(world: World) -> VmcpPlanned:
    """What to do for a VirtualMCPServer; an invalid one keeps every child as it is."""
    choice = choose_config(world)
    poll = Poll(targets_of(world.pods), choice.digest)
    vmcp = world.resources.of(VirtualMCPServer).get(world.key.name)
    if world.problems or vmcp is None:
        return VmcpPlanned(Plan(poll), choice=choice)
    if choice.config is None:
        return VmcpPlanned(Plan(poll, apply=(seal(build_service(world, vmcp)),)), choice=choice)
    deployment = build_proxy_deployment(world, vmcp, choice.config)
    problems = deployment if isinstance(deployment, Problems) else Problems()
    stamps, requeue = build_stamps(world, choice.digest)
    plan = Plan(
        poll,
        keys=build_keys(world) if _may_lack_keys(world) else None,
        stamps=stamps,
        requeue=requeue,
    )
    manifests = tuple(seal(manifest) for manifest in _children(world, vmcp, choice.config))
    if not isinstance(deployment, Problems):
        manifests = (*manifests, deployment)
    stale = find_stale(world, _optional(world, vmcp), _OPTIONAL)
    return VmcpPlanned(replace(plan, apply=manifests, prune=stale), problems, choice)


def _children(world: World, vmcp: VirtualMCPServer, config: ProxyConfig) -> tuple[Manifest, ...]:
    """Everything but the Deployment, which comes last: its pods need the others."""
    own_account = () if vmcp.spec.service_account else (build_service_account(world),)
    optional = (build_network_policy(world, vmcp), build_disruption_budget(world, vmcp))
    return (
        *own_account,
        build_config_map(world, config),
        build_service(world, vmcp),
        *(manifest for manifest in optional if manifest is not None),
    )


def _optional(world: World, vmcp: VirtualMCPServer) -> tuple[Manifest, ...]:
    account = None if vmcp.spec.service_account else build_service_account(world)
    built = (build_network_policy(world, vmcp), build_disruption_budget(world, vmcp), account)
    return tuple(manifest for manifest in built if manifest is not None)


def _may_lack_keys(world: World) -> bool:
    """Whether the key Secret may be missing: before the first pod, when one says so, or when one waits to start."""
    if deployment_ref(world.key) not in world.children:
        return True
    if any(not report.has_keys for report in world.reports.values()):
        return True
    return any((pod.get("status") or {}).get("phase") == "Pending" for pod in world.pods)
