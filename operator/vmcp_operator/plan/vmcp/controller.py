"""What a VirtualMCPServer owns and reads."""

from collections.abc import Iterator
from typing import Final

from vmcp_api.kinds import MCPOIDCConfig, VirtualMCPServer
from vmcp_api.kinds.endpoint.auth import VirtualMCPServerIncomingAuth, VirtualMCPServerOutgoingAuth
from vmcp_api.kinds.virtualmcpserver import VirtualMCPServerStatus
from vmcp_api.manifests.resources import Resources
from vmcp_api.spec.references import NameRef
from vmcp_operator.plan.controller import Child, Controller, Read
from vmcp_operator.plan.kinds import (
    AUTHZ_CONFIG,
    COMPOSITE_TOOL,
    CONFIG_MAP,
    DISRUPTION_BUDGET,
    MCP_GROUP,
    NETWORK_POLICY,
    OIDC_CONFIG,
    SERVICE_ACCOUNT,
    TELEMETRY_CONFIG,
    VMCP,
    Manifest,
    Ref,
)
from vmcp_operator.plan.members import members_of
from vmcp_operator.plan.objects.naming import config_map_name, object_name
from vmcp_operator.plan.objects.workload import deployment_ref
from vmcp_operator.plan.pointers import points_of_vmcp
from vmcp_operator.plan.references import (
    read_auth_configs,
    read_bundles,
    read_collector_bundles,
    read_entry_bundles,
    read_member_auth,
    read_member_tools,
    read_strategy_bundles,
    read_tool_configs,
)
from vmcp_operator.plan.vmcp.network import service_ref
from vmcp_operator.plan.vmcp.plan import VmcpPlanned, plan_vmcp
from vmcp_operator.plan.vmcp.status import vmcp_status


def vmcp_children(key: Ref, found: Resources, _manifest: Manifest) -> tuple[Child, ...]:
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
    """The group with its members, who is asked about callers, what they may do, what backends are shown, and more."""
    vmcp = found.of(VirtualMCPServer).get(key.name)
    if vmcp is None:
        return ()
    group = Ref(MCP_GROUP, key.namespace, vmcp.spec.group_ref.name)
    bundle = vmcp.spec.session_storage.tls.ca_bundle_ref
    store = (Ref(CONFIG_MAP, key.namespace, bundle.name),) if bundle else ()
    optimizer = vmcp.spec.config.optimizer
    embeddings = optimizer.embeddings if optimizer else None
    return (
        group,
        *members_of(group),
        *store,
        *read_bundles(key.namespace, (embeddings.ca_bundle_ref,) if embeddings else ()),
        *read_entry_bundles(key.namespace, found),
        *_read_incoming(key.namespace, vmcp.spec.incoming_auth, found),
        *_read_outgoing(key.namespace, vmcp.spec.outgoing_auth, found),
        *_read_telemetry(key.namespace, vmcp.spec.telemetry_config_ref, found),
        *read_tool_configs(key.namespace, (each.tool_config_ref for each in vmcp.spec.config.aggregation.tools)),
        *read_member_tools(key.namespace, found),
        *(Ref(COMPOSITE_TOOL, key.namespace, ref.name) for ref in vmcp.spec.config.composite_tool_refs),
    )


def _read_incoming(namespace: str, auth: VirtualMCPServerIncomingAuth, found: Resources) -> Iterator[Read]:
    if auth.oidc_config_ref:
        yield Ref(OIDC_CONFIG, namespace, auth.oidc_config_ref.name)
    if auth.authz_config_ref:
        yield Ref(AUTHZ_CONFIG, namespace, auth.authz_config_ref.name)
    if auth.authz_config and auth.authz_config.config_map:
        yield Ref(CONFIG_MAP, namespace, auth.authz_config.config_map.name)
    yield from read_bundles(namespace, (each.spec.inline.ca_bundle_ref for each in found.of(MCPOIDCConfig).values()))


def _read_outgoing(namespace: str, auth: VirtualMCPServerOutgoingAuth, found: Resources) -> Iterator[Read]:
    own = [*auth.backends.values(), *((auth.default,) if auth.default else ())]
    yield from read_auth_configs(namespace, (each.external_auth_config_ref for each in own))
    yield from read_strategy_bundles(namespace, own)
    yield from read_member_auth(namespace, found)


def _read_telemetry(namespace: str, ref: NameRef | None, found: Resources) -> Iterator[Read]:
    if ref:
        yield Ref(TELEMETRY_CONFIG, namespace, ref.name)
    yield from read_collector_bundles(namespace, found)


VMCP_CONTROLLER: Final[Controller[VmcpPlanned]] = Controller(
    kind=VMCP,
    status_type=VirtualMCPServerStatus,
    points_to=points_of_vmcp,
    reads=vmcp_reads,
    children=vmcp_children,
    plan=plan_vmcp,
    status=vmcp_status,
)
