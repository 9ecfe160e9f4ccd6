"""How pods are reached: Service, NetworkPolicy, PodDisruptionBudget."""

from typing import Any

from vmcp_api.kinds import VirtualMCPServer
from vmcp_api.kinds.virtualmcpserver import SessionAffinity
from vmcp_api.naming import ADMIN_PORT, MCP_PORT, vmcp_object_name
from vmcp_operator.plan.kinds import DISRUPTION_BUDGET, NETWORK_POLICY, SERVICE, Manifest, Ref
from vmcp_operator.plan.objects.children import build_child
from vmcp_operator.plan.objects.naming import object_name, selector_labels
from vmcp_operator.plan.objects.peers import admit_to_admin, build_peer
from vmcp_operator.plan.world import World


def service_ref(key: Ref) -> Ref:
    """The Service of a resource."""
    return Ref(SERVICE, key.namespace, object_name(key))


def build_service(world: World, vmcp: VirtualMCPServer) -> Manifest:
    """The Service of the MCP port; the admin port is no part of it."""
    spec: dict[str, Any] = {
        "type": vmcp.spec.service_type.value,
        "selector": selector_labels(world.key),
        "sessionAffinity": vmcp.spec.session_affinity.value,
        "ports": [
            {"name": "mcp", "port": MCP_PORT, "targetPort": "mcp", "protocol": "TCP", "appProtocol": "http"},
        ],
    }
    if vmcp.spec.session_affinity is SessionAffinity.CLIENT_IP:
        spec["sessionAffinityConfig"] = {"clientIP": {"timeoutSeconds": 10800}}
    return build_child(SERVICE, world.key, world.uid, object_name(world.key), spec=spec)


def build_network_policy(world: World, vmcp: VirtualMCPServer) -> Manifest | None:
    """Who may connect: the named peers to the MCP port, the operator and who scrapes metrics to the admin port."""
    policy = vmcp.spec.network_policy
    if not policy.enabled:
        return None
    peers = [build_peer(peer) for peer in policy.ingress_from] or [{"podSelector": {}}]
    spec = {
        "podSelector": {"matchLabels": selector_labels(world.key)},
        "policyTypes": ["Ingress"],
        "ingress": [
            {"from": peers, "ports": [{"port": MCP_PORT, "protocol": "TCP"}]},
            admit_to_admin(world, ADMIN_PORT, policy.metrics_from),
        ],
    }
    return build_child(NETWORK_POLICY, world.key, world.uid, object_name(world.key), spec=spec)


def build_disruption_budget(world: World, vmcp: VirtualMCPServer) -> Manifest | None:
    """Protection from voluntary disruptions, where it is asked for."""
    budget = vmcp.spec.pod_disruption_budget
    if budget is None:
        return None
    spec: dict[str, Any] = {"selector": {"matchLabels": selector_labels(world.key)}}
    if budget.min_available is not None:
        spec["minAvailable"] = budget.min_available
    if budget.max_unavailable is not None:
        spec["maxUnavailable"] = budget.max_unavailable
    return build_child(DISRUPTION_BUDGET, world.key, world.uid, object_name(world.key), spec=spec)


def service_url(key: Ref, service: Manifest | None) -> str | None:
    """Where clients reach the endpoint: the load balancer's address once it has one, else the Service's name."""
    if service is None:
        return None
    spec = service.get("spec") or {}
    port = next((each["port"] for each in spec.get("ports") or () if each.get("name") == "mcp"), MCP_PORT)
    host = f"{vmcp_object_name(key.name)}.{key.namespace}.svc"
    if spec.get("type") == "LoadBalancer":
        balancer = (service.get("status") or {}).get("loadBalancer") or {}
        for address in balancer.get("ingress") or ():
            outside = address.get("hostname") or address.get("ip")
            if outside:
                host = f"[{outside}]" if ":" in outside else outside
                break
    return f"http://{host}:{port}/mcp"
