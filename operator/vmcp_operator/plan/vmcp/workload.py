"""The proxy's Deployment."""

from typing import Any, Final

from vmcp_api.config import ProxyConfig
from vmcp_api.kinds import VirtualMCPServer
from vmcp_api.manifests.problems import Problems
from vmcp_api.naming import ADMIN_PORT, MCP_PORT, PROXY_CONTAINER
from vmcp_operator.plan.kinds import Manifest
from vmcp_operator.plan.objects.naming import APPLIED, PROCESS, config_map_name, digest, keys_name
from vmcp_operator.plan.objects.pods import ADMIN_PROBES, CONTAINER_SECURITY, TELLS_WHY, TMP_MOUNT, TMP_VOLUME
from vmcp_operator.plan.objects.template import merge_template
from vmcp_operator.plan.objects.workload import build_deployment, build_template, deployment_ref
from vmcp_operator.plan.vmcp.secrets import SecretItems, build_secrets_volume, mounted_items, needed_items
from vmcp_operator.plan.world import World

CONFIG_FOLDER: Final = "/etc/vmcp/config"
SECRETS_FOLDER: Final = "/etc/vmcp/secrets"
KEYS_FOLDER: Final = "/etc/vmcp/keys"
SHUTDOWN_DELAY: Final = 5
"""Seconds that a pod serves on after SIGTERM, until Services have stopped routing to it (ADR-0014)."""

SHUTDOWN_MARGIN: Final = 10
"""Seconds beyond the delay and the drain that a pod has to close its connections and end."""

_RESOURCES: Final = {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "768Mi"}}
"""What an endpoint needs that does little, and no limit of CPU, which would stop it in the middle of a call.

The limit of memory holds the process, all that peers may make it hold (ADR-0028), and as many sessions as it takes by
default, each with a stream (docs/how-to/sizing.md).
"""


def build_proxy_deployment(world: World, vmcp: VirtualMCPServer, config: ProxyConfig) -> Manifest | Problems:
    """The Deployment, sealed; pods roll for what their template says and for nothing else.

    A Secret that is no longer needed stays mounted until the pods roll for another reason, so that a backend that
    leaves the group rolls nothing.
    """
    live = world.children.get(deployment_ref(world.key))
    needed, mounted = needed_items(config), mounted_items(live)
    if live is not None and needed < mounted:
        same = _build(world, vmcp, config, mounted)
        applied = (live["metadata"].get("annotations") or {}).get(APPLIED)
        if isinstance(same, Problems) or same["metadata"]["annotations"][APPLIED] == applied:
            return same
    return _build(world, vmcp, config, needed)


def _build(world: World, vmcp: VirtualMCPServer, config: ProxyConfig, items: SecretItems) -> Manifest | Problems:
    template = merge_template(_template(world, vmcp, config, items), world.settings.template, {})
    if isinstance(template, Problems):
        return template
    return build_deployment(world, template, vmcp.spec.pod_template_spec, replicas=vmcp.spec.replicas)


def _template(world: World, vmcp: VirtualMCPServer, config: ProxyConfig, items: SecretItems) -> Manifest:
    drain = vmcp.spec.config.operational.timeouts.drain
    spec: dict[str, Any] = {
        "terminationGracePeriodSeconds": SHUTDOWN_DELAY + int(drain) + SHUTDOWN_MARGIN,
        "containers": [_container(world)],
        "volumes": [
            {"name": "config", "configMap": {"name": config_map_name(world.key), "defaultMode": 0o440}},
            # Not optional: a pod waits for its keys instead of failing without them.
            {"name": "keys", "secret": {"secretName": keys_name(world.key), "defaultMode": 0o440}},
            build_secrets_volume(items),
            TMP_VOLUME,
        ],
    }
    if vmcp.spec.service_account:
        spec["serviceAccountName"] = vmcp.spec.service_account
    if vmcp.spec.image_pull_secrets:
        spec["imagePullSecrets"] = [{"name": ref.name} for ref in vmcp.spec.image_pull_secrets]
    process = {PROCESS: digest(_process_settings(config))}
    return build_template(world, vmcp.metadata.annotations, process, **spec)


def _container(world: World) -> dict[str, Any]:
    return {
        "name": PROXY_CONTAINER,
        "image": world.settings.image,
        "imagePullPolicy": world.settings.pull_policy,
        "command": ["vmcp"],
        "args": [
            "serve",
            f"--config={CONFIG_FOLDER}/config.json",
            f"--secrets={SECRETS_FOLDER}",
            f"--keys={KEYS_FOLDER}",
            f"--port={MCP_PORT}",
            f"--admin-port={ADMIN_PORT}",
            f"--shutdown-delay={SHUTDOWN_DELAY}",
        ],
        "ports": [
            {"name": "mcp", "containerPort": MCP_PORT, "protocol": "TCP"},
            {"name": "admin", "containerPort": ADMIN_PORT, "protocol": "TCP"},
        ],
        "resources": _RESOURCES,
        "securityContext": {**CONTAINER_SECURITY, "readOnlyRootFilesystem": True},
        **TELLS_WHY,
        **ADMIN_PROBES,
        "volumeMounts": [
            {"name": "config", "mountPath": CONFIG_FOLDER, "readOnly": True},
            {"name": "keys", "mountPath": KEYS_FOLDER, "readOnly": True},
            {"name": "secrets", "mountPath": SECRETS_FOLDER, "readOnly": True},
            TMP_MOUNT,
        ],
    }


def _process_settings(config: ProxyConfig) -> dict[str, Any]:
    """What a proxy reads once, when it starts (ADR-0008)."""
    operational = config.config.operational
    return {
        "sessionStorage": config.session_storage.model_dump(mode="json", by_alias=True, exclude_defaults=True),
        "connectionsPerBackend": operational.limits.connections_per_backend,
        "connectTimeout": operational.timeouts.connect,
    }
