"""The proxy's Deployment."""

from typing import Any, Final

from vmcp_api.config import ProxyConfig
from vmcp_api.kinds import VirtualMCPServer
from vmcp_api.manifests.problems import Problems
from vmcp_api.naming import ADMIN_PORT, MCP_PORT
from vmcp_operator.plan.kinds import DEPLOYMENT, Manifest, Ref
from vmcp_operator.plan.objects.children import build_child
from vmcp_operator.plan.objects.naming import (
    APPLIED,
    PROCESS,
    RESTARTED_AT,
    config_map_name,
    digest,
    keys_name,
    labels,
    object_name,
    seal,
    selector_labels,
)
from vmcp_operator.plan.objects.pods import CONTAINER_SECURITY, POD_SECURITY, http_probe, spread
from vmcp_operator.plan.objects.replicas import desired_replicas
from vmcp_operator.plan.objects.secrets import SecretItems, build_secrets_volume, mounted_items, needed_items
from vmcp_operator.plan.objects.template import merge_template
from vmcp_operator.plan.world import World

CONTAINER: Final = "vmcp"
CONFIG_FOLDER: Final = "/etc/vmcp/config"
SECRETS_FOLDER: Final = "/etc/vmcp/secrets"
KEYS_FOLDER: Final = "/etc/vmcp/keys"
SHUTDOWN_DELAY: Final = 5
"""Seconds that a pod serves on after SIGTERM, until Services have stopped routing to it (ADR-0014)."""

SHUTDOWN_MARGIN: Final = 10
"""Seconds beyond the delay and the drain that a pod has to close its connections and end."""

_RESOURCES: Final = {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "512Mi"}}


def deployment_ref(key: Ref) -> Ref:
    """The Deployment of a resource."""
    return Ref(DEPLOYMENT, key.namespace, object_name(key))


def build_deployment(world: World, vmcp: VirtualMCPServer, config: ProxyConfig) -> Manifest | Problems:
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
    selector = selector_labels(world.key)
    template = merge_template(_template(world, vmcp, config, items), vmcp.spec.pod_template_spec, selector)
    if isinstance(template, Problems):
        return template
    spec: dict[str, Any] = {
        "selector": {"matchLabels": selector},
        "revisionHistoryLimit": 3,
        "progressDeadlineSeconds": 300,
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
        "template": template,
    }
    replicas = desired_replicas(vmcp.spec.replicas, world.children.get(deployment_ref(world.key)))
    if replicas is not None:
        spec["replicas"] = replicas
    return seal(build_child(DEPLOYMENT, world.key, world.uid, object_name(world.key), spec=spec))


def _template(world: World, vmcp: VirtualMCPServer, config: ProxyConfig, items: SecretItems) -> Manifest:
    annotations = {PROCESS: digest(_process_settings(config))}
    if RESTARTED_AT in vmcp.metadata.annotations:
        annotations[RESTARTED_AT] = vmcp.metadata.annotations[RESTARTED_AT]
    drain = vmcp.spec.config.operational.timeouts.drain
    spec: dict[str, Any] = {
        "serviceAccountName": vmcp.spec.service_account or object_name(world.key),
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": SHUTDOWN_DELAY + int(drain) + SHUTDOWN_MARGIN,
        "securityContext": POD_SECURITY,
        "topologySpreadConstraints": spread(selector_labels(world.key)),
        "containers": [_container(world)],
        "volumes": [
            {"name": "config", "configMap": {"name": config_map_name(world.key), "defaultMode": 0o440}},
            # Not optional: a pod waits for its keys instead of failing without them.
            {"name": "keys", "secret": {"secretName": keys_name(world.key), "defaultMode": 0o440}},
            build_secrets_volume(items),
            {"name": "tmp", "emptyDir": {"sizeLimit": "64Mi"}},
        ],
    }
    if vmcp.spec.image_pull_secrets:
        spec["imagePullSecrets"] = [{"name": ref.name} for ref in vmcp.spec.image_pull_secrets]
    return {"metadata": {"labels": labels(world.key), "annotations": annotations}, "spec": spec}


def _container(world: World) -> dict[str, Any]:
    return {
        "name": CONTAINER,
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
        "startupProbe": {**http_probe("/healthz", "admin"), "periodSeconds": 1, "failureThreshold": 60},
        "livenessProbe": {**http_probe("/healthz", "admin"), "periodSeconds": 10, "failureThreshold": 3},
        "readinessProbe": {**http_probe("/readyz", "admin"), "periodSeconds": 2, "failureThreshold": 2},
        "volumeMounts": [
            {"name": "config", "mountPath": CONFIG_FOLDER, "readOnly": True},
            {"name": "keys", "mountPath": KEYS_FOLDER, "readOnly": True},
            {"name": "secrets", "mountPath": SECRETS_FOLDER, "readOnly": True},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - the only writable place of the container
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
