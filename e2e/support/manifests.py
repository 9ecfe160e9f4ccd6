"""Manifests of our kinds, as short as the API takes them."""

from typing import Any

from e2e.images.catalog import BACKENDS
from e2e.support.kube import Manifest

GROUP = "tools"
HEALTH = {"failureHandling": {"healthCheckInterval": "1s", "unhealthyThreshold": 1}}
"""Backends are looked at so often that a test need not wait for it."""


def vmcp(name: str, group: str = GROUP, **spec: Any) -> Manifest:
    """A VirtualMCPServer that watches its backends closely."""
    config = {"config": {"operational": HEALTH}}
    return _resource(
        "VirtualMCPServer", name, {"groupRef": {"name": group}, "incomingAuth": {"type": "anonymous"}, **config, **spec}
    )


def group(name: str = GROUP) -> Manifest:
    """An MCPGroup."""
    return _resource("MCPGroup", name, {})


def server(name: str, program: str = "notes", group: str | None = GROUP, **spec: Any) -> Manifest:
    """An MCPServer that runs one of the test servers."""
    joins = {} if group is None else {"groupRef": {"name": group}}
    return _resource("MCPServer", name, {"image": BACKENDS.name, "args": [program], **joins, **spec})


def entry(name: str, url: str, group: str = GROUP, **spec: Any) -> Manifest:
    """An MCPServerEntry that may lead to Services of the cluster."""
    base = {"remoteUrl": url, "transport": "streamable-http", "groupRef": {"name": group}}
    return _resource("MCPServerEntry", name, {**base, "allowPrivateEndpoint": True, **spec})


def secret(name: str, **values: str) -> Manifest:
    """A Secret with these keys."""
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": values}


def _resource(kind: str, name: str, spec: dict[str, Any]) -> Manifest:
    return {"apiVersion": "vmcp.dev/v1beta1", "kind": kind, "metadata": {"name": name}, "spec": spec}
