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


def oidc_config(name: str, issuer: str, **inline: Any) -> Manifest:
    """An MCPOIDCConfig whose provider is within the cluster and has no TLS."""
    within = {"jwksAllowPrivateIP": True, "insecureAllowHTTP": True}
    return _resource("MCPOIDCConfig", name, {"type": "inline", "inline": {"issuer": issuer, **within, **inline}})


def authz_config(name: str, *policies: str, **spec: Any) -> Manifest:
    """An MCPAuthzConfig with these policies."""
    return _resource("MCPAuthzConfig", name, {"config": {"policies": list(policies)}, **spec})


def external_auth(name: str, strategy: str, **settings: Any) -> Manifest:
    """An MCPExternalAuthConfig; a token endpoint is within the cluster and has no TLS."""
    within = {"allowPrivateEndpoint": True, "insecureAllowHTTP": True} if "tokenUrl" in settings else {}
    return _resource("MCPExternalAuthConfig", name, {"type": strategy, strategy: {**within, **settings}})


def telemetry_config(name: str, endpoint: str, **settings: Any) -> Manifest:
    """An MCPTelemetryConfig that sends to a collector without TLS."""
    otel = {"enabled": True, "endpoint": endpoint, "insecure": True, **settings}
    return _resource("MCPTelemetryConfig", name, {"openTelemetry": otel})


def tool_config(name: str, *only: str, **overrides: Any) -> Manifest:
    """An MCPToolConfig that serves these tools."""
    return _resource("MCPToolConfig", name, {"toolsFilter": list(only), "toolsOverride": overrides})


def composite_tool(name: str, tool: str, steps: list[dict[str, Any]], **spec: Any) -> Manifest:
    """A VirtualMCPCompositeToolDefinition."""
    described = {"name": tool, "description": "Runs a workflow.", "steps": steps, **spec}
    return _resource("VirtualMCPCompositeToolDefinition", name, described)


def secret(name: str, **values: str) -> Manifest:
    """A Secret with these keys."""
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": values}


def _resource(kind: str, name: str, spec: dict[str, Any]) -> Manifest:
    return {"apiVersion": "vmcp.dev/v1beta1", "kind": kind, "metadata": {"name": name}, "spec": spec}
