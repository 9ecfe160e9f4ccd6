"""The plan of a VirtualMCPServer."""

from dataclasses import dataclass, replace
from typing import Final

from vmcp_api.kinds import VirtualMCPServer
from vmcp_api.manifests.problems import Problems
from vmcp_operator.plan.kinds import (
    CONFIG_MAP,
    DISRUPTION_BUDGET,
    ENTRY,
    MCP_GROUP,
    NETWORK_POLICY,
    SERVER,
    SERVICE_ACCOUNT,
    Manifest,
    Ref,
)
from vmcp_operator.plan.objects.children import find_stale
from vmcp_operator.plan.objects.identity import build_keys, build_service_account
from vmcp_operator.plan.objects.naming import config_map_name, object_name, seal
from vmcp_operator.plan.objects.workload import deployment_ref
from vmcp_operator.plan.vmcp.config import Choice, build_config_map, choose_config
from vmcp_operator.plan.vmcp.network import (
    build_disruption_budget,
    build_network_policy,
    build_service,
    service_ref,
)
from vmcp_operator.plan.vmcp.refresh import build_stamps
from vmcp_operator.plan.vmcp.workload import build_proxy_deployment
from vmcp_operator.plan.world import Plan, World

_OPTIONAL: Final = (NETWORK_POLICY, DISRUPTION_BUDGET, SERVICE_ACCOUNT)
"""Kinds of children that a resource may stop to ask for."""


@dataclass(frozen=True, slots=True)
class VmcpPlan:
    """A plan with what the status will be told of it."""

    plan: Plan
    choice: Choice
    template_problems: Problems


def child_refs(key: Ref) -> tuple[Ref, ...]:
    """Every child that the operator may have made and may read; the key Secret is not read."""
    name = object_name(key)
    kinds = (SERVICE_ACCOUNT, NETWORK_POLICY, DISRUPTION_BUDGET)
    return (
        *(Ref(kind, key.namespace, name) for kind in kinds),
        service_ref(key),
        deployment_ref(key),
        Ref(CONFIG_MAP, key.namespace, config_map_name(key)),
    )


def plan_vmcp(world: World) -> VmcpPlan:
    """What to write for a VirtualMCPServer; an invalid one keeps every child as it is."""
    choice = choose_config(world)
    refs = _refs(world)
    vmcp = world.resources.virtual_servers.get(world.key.name)
    if world.problems or vmcp is None:
        return VmcpPlan(Plan(refs=refs), choice, Problems())
    if choice.config is None:
        return VmcpPlan(Plan(refs=refs, apply=(seal(build_service(world, vmcp)),)), choice, Problems())
    deployment = build_proxy_deployment(world, vmcp, choice.config)
    problems = deployment if isinstance(deployment, Problems) else Problems()
    stamps, requeue = build_stamps(world, choice.digest)
    plan = Plan(
        keys=build_keys(world) if _may_lack_keys(world) else None,
        stamps=stamps,
        requeue=requeue,
        refs=refs,
    )
    manifests = tuple(seal(manifest) for manifest in _children(world, vmcp, choice))
    if not isinstance(deployment, Problems):
        manifests = (*manifests, deployment)
    return VmcpPlan(
        replace(plan, apply=manifests, prune=find_stale(world, _optional(world, vmcp), _OPTIONAL)), choice, problems
    )


def _children(world: World, vmcp: VirtualMCPServer, choice: Choice) -> tuple[Manifest, ...]:
    """Everything but the Deployment, which comes last: its pods need the others."""
    assert choice.config is not None  # noqa: S101 - the caller has looked
    own_account = () if vmcp.spec.service_account else (build_service_account(world),)
    optional = (build_network_policy(world, vmcp), build_disruption_budget(world, vmcp))
    return (
        *own_account,
        build_config_map(world, choice.config),
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


def _refs(world: World) -> frozenset[Ref]:
    """Everything outside of its own children that decides about the resource, there or not."""
    namespace, resources = world.key.namespace, world.resources
    refs = {Ref(SERVER, namespace, name) for name in resources.servers}
    refs |= {Ref(ENTRY, namespace, name) for name in resources.entries}
    refs |= {
        Ref(SERVER if member.kind == SERVER.name else ENTRY, namespace, member.name) for member in world.invalid_members
    }
    for entry in resources.entries.values():
        if entry.spec.ca_bundle_ref:
            refs.add(Ref(CONFIG_MAP, namespace, entry.spec.ca_bundle_ref.config_map_ref.name))
    vmcp = resources.virtual_servers.get(world.key.name)
    if vmcp is not None:
        refs.add(Ref(MCP_GROUP, namespace, vmcp.spec.group_ref.name))
        bundle = vmcp.spec.session_storage.tls.ca_bundle_ref
        refs |= {Ref(CONFIG_MAP, namespace, bundle.name)} if bundle else set()
    return frozenset(refs)
