"""The children of an MCPServer over HTTP, and what a stdio one has in common with it."""

from typing import Any, Final

from vmcp_api.config import Transport
from vmcp_api.kinds import MCPServer
from vmcp_api.kinds.pods import ResourceRequirements
from vmcp_api.manifests.problems import Problems
from vmcp_api.naming import ADMIN_PORT
from vmcp_operator.plan.kinds import NETWORK_POLICY, SERVICE, Manifest
from vmcp_operator.plan.objects.children import build_child
from vmcp_operator.plan.objects.naming import PROXY_SELECTOR, any_component, object_name, selector_labels
from vmcp_operator.plan.objects.peers import admit_to_admin
from vmcp_operator.plan.objects.pods import CONTAINER_SECURITY
from vmcp_operator.plan.objects.workload import build_deployment, build_template
from vmcp_operator.plan.world import World

CONTAINER: Final = "mcp"
PORT: Final = "mcp"


def build_server_deployment(world: World, server: MCPServer) -> Manifest | Problems:
    """The Deployment, sealed."""
    container = {
        **build_container(server),
        "ports": [{"name": PORT, "containerPort": server.spec.mcp_port, "protocol": "TCP"}],
        "readinessProbe": {"tcpSocket": {"port": PORT}, "periodSeconds": 2, "timeoutSeconds": 2},
    }
    template = build_template(world, server.metadata.annotations, {}, containers=[container])
    return build_deployment(world, template, server.spec.pod_template_spec, replicas=server.spec.replicas)


def build_server_service(world: World, server: MCPServer) -> Manifest:
    """The Service by which proxies reach the server.

    A bridge gets requests before it is ready, too: it waits for its process, and says why it has none.
    """
    port = {
        "name": PORT,
        "port": server.spec.mcp_port,
        "targetPort": PORT,
        "protocol": "TCP",
        "appProtocol": "http",
    }
    spec: dict[str, Any] = {"type": "ClusterIP", "selector": selector_labels(world.key), "ports": [port]}
    if server.spec.transport is Transport.STDIO:
        spec["publishNotReadyAddresses"] = True
    return build_child(SERVICE, world.key, world.uid, object_name(world.key), spec=spec)


def build_server_policy(world: World, server: MCPServer) -> Manifest | None:
    """Only proxy pods of the namespace may connect, where that is asked for; to the process behind a bridge, too.

    A bridge is asked by the operator how it fares.
    """
    if not server.spec.network_policy.enabled:
        return None
    proxies = {
        "from": [{"podSelector": {"matchLabels": PROXY_SELECTOR}}],
        "ports": [{"port": server.spec.mcp_port, "protocol": "TCP"}],
    }
    is_stdio = server.spec.transport is Transport.STDIO
    spec = {
        "podSelector": {"matchLabels": any_component(selector_labels(world.key))},
        "policyTypes": ["Ingress"],
        "ingress": [proxies, *((admit_to_admin(world, bridge_admin_port(server)),) if is_stdio else ())],
    }
    return build_child(NETWORK_POLICY, world.key, world.uid, object_name(world.key), spec=spec)


def bridge_admin_port(server: MCPServer) -> int:
    """The admin port of a stdio server's bridge, which is another one where the server's own is taken by MCP."""
    return ADMIN_PORT if server.spec.mcp_port != ADMIN_PORT else ADMIN_PORT + 1


def build_container(server: MCPServer) -> dict[str, Any]:
    """The container that the server's image runs in, whatever its transport."""
    spec = server.spec
    container: dict[str, Any] = {
        "name": CONTAINER,
        "image": spec.image,
        "securityContext": CONTAINER_SECURITY,
        "resources": _resources(spec.resources),
    }
    if spec.args:
        container["args"] = list(spec.args)
    env: list[dict[str, Any]] = [{"name": each.name, "value": each.value} for each in spec.env]
    env += [
        {
            "name": each.target_env_name or each.key,
            "valueFrom": {"secretKeyRef": {"name": each.name, "key": each.key}},
        }
        for each in spec.secrets
    ]
    if env:
        container["env"] = env
    return container


def _resources(wanted: ResourceRequirements) -> dict[str, Any]:
    dumped: dict[str, dict[str, Any]] = wanted.model_dump(mode="json", by_alias=True, exclude_none=True)
    return {key: amounts for key, amounts in dumped.items() if amounts}
