"""The objects of the smoke test, written by hand: no operator takes part."""

import base64
import json
import os
from typing import Any

from e2e.images.catalog import BACKENDS, PROXY

Manifest = dict[str, Any]

NAMESPACE = "smoke"
MCP_PORT = 4483
ADMIN_PORT = 9090
BACKEND_PORT = 8080
NODE_PORT = 30483
HEADER = "X-Smoke"
SERVERS = ("headers", "notes")


def manifests() -> list[Manifest]:
    """In the order in which they can be created."""
    backends = [manifest for name in SERVERS for manifest in (_pod(name, _backend(name)), _service(name, BACKEND_PORT))]
    return [_namespace(), _config(), _keys(), *backends, _proxy_pod(), _service("proxy", MCP_PORT, NODE_PORT)]


def _namespace() -> Manifest:
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": labels}}


def _config() -> Manifest:
    backends = [
        {
            "name": name,
            "kind": "MCPServer",
            "transport": "streamable-http",
            "url": f"http://{name}.{NAMESPACE}.svc:{BACKEND_PORT}/mcp",
            "network": "cluster",
        }
        for name in SERVERS
    ]
    config = {
        "contract": 1,
        "name": "smoke",
        "namespace": NAMESPACE,
        "incomingAuth": {"type": "anonymous"},
        "passthroughHeaders": [HEADER],
        "backends": backends,
    }
    return {**_object("ConfigMap", "config"), "data": {"config.json": json.dumps(config)}}


def _keys() -> Manifest:
    return {**_object("Secret", "keys"), "data": {"1": base64.b64encode(os.urandom(32)).decode()}}


def _proxy_pod() -> Manifest:
    volumes: dict[str, tuple[str, Manifest]] = {
        "config": ("/etc/vmcp", {"configMap": {"name": "config"}}),
        "secrets": ("/etc/vmcp/secrets", {"emptyDir": {}}),
        "keys": ("/etc/vmcp/keys", {"secret": {"secretName": "keys"}}),
        "tmp": ("/tmp", {"emptyDir": {}}),
    }
    container = {
        "name": "vmcp",
        "image": PROXY.name,
        "readinessProbe": _probe("/readyz", ADMIN_PORT),
        "volumeMounts": [{"name": name, "mountPath": path} for name, (path, _) in volumes.items()],
    }
    pod = _pod("proxy", container)
    pod["spec"]["volumes"] = [{"name": name, **source} for name, (_, source) in volumes.items()]
    return pod


def _backend(name: str) -> Manifest:
    probe = {"tcpSocket": {"port": BACKEND_PORT}, "periodSeconds": 1}
    return {"name": name, "image": BACKENDS.name, "args": [name], "readinessProbe": probe}


def _pod(name: str, container: Manifest) -> Manifest:
    """A pod that the `restricted` level admits, with a root file system that nobody writes to."""
    security = {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
    }
    pod = _object("Pod", name)
    pod["metadata"]["labels"] = {"app": name}
    pod["spec"] = {
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 5,
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [{"imagePullPolicy": "Never", "securityContext": security, **container}],
    }
    return pod


def _probe(path: str, port: int) -> Manifest:
    return {"httpGet": {"path": path, "port": port}, "periodSeconds": 1}


def _service(name: str, port: int, node_port: int | None = None) -> Manifest:
    mapping: Manifest = {"port": port}
    spec: Manifest = {"selector": {"app": name}, "ports": [mapping]}
    if node_port is not None:
        mapping["nodePort"] = node_port
        spec["type"] = "NodePort"
    return {**_object("Service", name), "spec": spec}


def _object(kind: str, name: str) -> Manifest:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": NAMESPACE}}
