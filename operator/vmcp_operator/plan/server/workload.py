"""The children of an MCPServer: Deployment, Service, ServiceAccount, NetworkPolicy."""

from typing import Any, Final

from vmcp_api.kinds import MCPServer
from vmcp_api.kinds.pods import ResourceRequirements
from vmcp_api.manifests.problems import Problems
from vmcp_operator.plan.kinds import DEPLOYMENT, NETWORK_POLICY, SERVICE, SERVICE_ACCOUNT, Manifest, Ref
from vmcp_operator.plan.objects.children import build_child
from vmcp_operator.plan.objects.naming import PROXY_SELECTOR, RESTARTED_AT, labels, object_name, seal, selector_labels
from vmcp_operator.plan.objects.pods import CONTAINER_SECURITY, POD_SECURITY, spread
from vmcp_operator.plan.objects.replicas import desired_replicas
from vmcp_operator.plan.objects.template import merge_template
from vmcp_operator.plan.world import World

CONTAINER: Final = "mcp"
PORT: Final = "mcp"


def build_server_account(world: World) -> Manifest:
    """A ServiceAccount without rights and without a token in pods."""
    name = object_name(world.key)
    return build_child(SERVICE_ACCOUNT, world.key, world.uid, name, automountServiceAccountToken=False)


def build_server_deployment(world: World, server: MCPServer) -> Manifest | Problems:
    """The Deployment, sealed."""
    selector = selector_labels(world.key)
    template = merge_template(_template(world, server), server.spec.pod_template_spec, selector)
    if isinstance(template, Problems):
        return template
    spec: dict[str, Any] = {
        "selector": {"matchLabels": selector},
        "revisionHistoryLimit": 3,
        "progressDeadlineSeconds": 300,
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
        "template": template,
    }
    ref = Ref(DEPLOYMENT, world.key.namespace, object_name(world.key))
    replicas = desired_replicas(server.spec.replicas, world.children.get(ref))
    if replicas is not None:
        spec["replicas"] = replicas
    return seal(build_child(DEPLOYMENT, world.key, world.uid, ref.name, spec=spec))


def build_server_service(world: World, server: MCPServer) -> Manifest:
    """The Service by which proxies reach the server."""
    port = {
        "name": PORT,
        "port": server.spec.mcp_port,
        "targetPort": PORT,
        "protocol": "TCP",
        "appProtocol": "http",
    }
    spec = {"type": "ClusterIP", "selector": selector_labels(world.key), "ports": [port]}
    return build_child(SERVICE, world.key, world.uid, object_name(world.key), spec=spec)


def build_server_policy(world: World, server: MCPServer) -> Manifest | None:
    """Only proxy pods of the namespace may connect, where that is asked for."""
    if not server.spec.network_policy.enabled:
        return None
    spec = {
        "podSelector": {"matchLabels": selector_labels(world.key)},
        "policyTypes": ["Ingress"],
        "ingress": [
            {
                "from": [{"podSelector": {"matchLabels": PROXY_SELECTOR}}],
                "ports": [{"port": server.spec.mcp_port, "protocol": "TCP"}],
            }
        ],
    }
    return build_child(NETWORK_POLICY, world.key, world.uid, object_name(world.key), spec=spec)


def _template(world: World, server: MCPServer) -> Manifest:
    spec: dict[str, Any] = {
        "serviceAccountName": object_name(world.key),
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": POD_SECURITY,
        "topologySpreadConstraints": spread(selector_labels(world.key)),
        "containers": [_container(server)],
    }
    metadata: dict[str, Any] = {"labels": labels(world.key)}
    if RESTARTED_AT in server.metadata.annotations:
        metadata["annotations"] = {RESTARTED_AT: server.metadata.annotations[RESTARTED_AT]}
    return {"metadata": metadata, "spec": spec}


def _container(server: MCPServer) -> dict[str, Any]:
    spec = server.spec
    container: dict[str, Any] = {
        "name": CONTAINER,
        "image": spec.image,
        "ports": [{"name": PORT, "containerPort": spec.mcp_port, "protocol": "TCP"}],
        "securityContext": CONTAINER_SECURITY,
        "readinessProbe": {"tcpSocket": {"port": PORT}, "periodSeconds": 2, "timeoutSeconds": 2},
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
