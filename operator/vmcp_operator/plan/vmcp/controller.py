"""What a VirtualMCPServer owns and reads."""

from typing import Final

from vmcp_api.kinds import VirtualMCPServer
from vmcp_api.kinds.virtualmcpserver import VirtualMCPServerStatus
from vmcp_api.manifests.resources import Resources
from vmcp_operator.plan.controller import Child, Controller, Read
from vmcp_operator.plan.kinds import (
    CONFIG_MAP,
    DISRUPTION_BUDGET,
    MCP_GROUP,
    NETWORK_POLICY,
    SERVICE_ACCOUNT,
    VMCP,
    Ref,
)
from vmcp_operator.plan.members import bundles_of_entries, members_of
from vmcp_operator.plan.objects.naming import config_map_name, object_name
from vmcp_operator.plan.objects.workload import deployment_ref
from vmcp_operator.plan.pointers import points_of_vmcp
from vmcp_operator.plan.vmcp.network import service_ref
from vmcp_operator.plan.vmcp.plan import VmcpPlanned, plan_vmcp
from vmcp_operator.plan.vmcp.status import vmcp_status


def vmcp_children(key: Ref, found: Resources) -> tuple[Child, ...]:
    """Every child that the operator may have made and may read; the key Secret is not read."""
    vmcp = found.of(VirtualMCPServer).get(key.name)
    name = object_name(key)
    return (
        Child(Ref(SERVICE_ACCOUNT, key.namespace, name)),
        Child(Ref(NETWORK_POLICY, key.namespace, name), is_wanted=bool(vmcp and vmcp.spec.network_policy.enabled)),
        Child(Ref(DISRUPTION_BUDGET, key.namespace, name), is_wanted=bool(vmcp and vmcp.spec.pod_disruption_budget)),
        Child(service_ref(key)),
        Child(deployment_ref(key)),
        Child(Ref(CONFIG_MAP, key.namespace, config_map_name(key))),
    )


def vmcp_reads(key: Ref, found: Resources) -> tuple[Read, ...]:
    """The group with its members, and the CA bundles of the session store and of the entries."""
    vmcp = found.of(VirtualMCPServer).get(key.name)
    if vmcp is None:
        return ()
    group = Ref(MCP_GROUP, key.namespace, vmcp.spec.group_ref.name)
    bundle = vmcp.spec.session_storage.tls.ca_bundle_ref
    store = (Ref(CONFIG_MAP, key.namespace, bundle.name),) if bundle else ()
    return (group, *members_of(group), *store, *bundles_of_entries(key.namespace, found))


VMCP_CONTROLLER: Final[Controller[VmcpPlanned]] = Controller(
    kind=VMCP,
    status_type=VirtualMCPServerStatus,
    points_to=points_of_vmcp,
    reads=vmcp_reads,
    children=vmcp_children,
    plan=plan_vmcp,
    status=vmcp_status,
)
