"""The kinds of the MCP Lifecycle Operator, with the fields that matter here, and what that operator would do.

Its Go module is not to be had from the module proxy, so that its own manifests cannot be installed. Names, versions,
required fields and subresources are those of its repository; a field of a status that it does not declare is dropped
here as well.
"""

import json
from typing import Any

from e2e.support.kube import Kube, Manifest

GROUP = "mcp.x-k8s.io"
SERVERS = f"mcpservers.{GROUP}"
BINDINGS = f"mcpgatewaybindings.{GROUP}"

_TEXT = {"type": "string"}
_CONDITIONS = {
    "type": "array",
    "x-kubernetes-list-type": "map",
    "x-kubernetes-list-map-keys": ["type"],
    "items": {
        "type": "object",
        "required": ["lastTransitionTime", "message", "reason", "status", "type"],
        "properties": {
            "lastTransitionTime": {**_TEXT, "format": "date-time"},
            "message": {**_TEXT, "maxLength": 32768},
            "observedGeneration": {"type": "integer", "format": "int64", "minimum": 0},
            "reason": {**_TEXT, "maxLength": 1024, "minLength": 1},
            "status": {**_TEXT, "enum": ["True", "False", "Unknown"]},
            "type": {**_TEXT, "maxLength": 316},
        },
    },
}


def lifecycle_kinds() -> tuple[Manifest, ...]:
    """The CustomResourceDefinitions."""
    source = {"type": "object", "properties": {"type": _TEXT, "containerImage": _object(ref=_TEXT)}}
    config = {"type": "object", "required": ["port"], "properties": {"port": {"type": "integer"}, "path": _TEXT}}
    gateway = {"type": "object", "required": ["provider"], "properties": {"provider": _TEXT, "configRef": _TEXT}}
    transport = _object(tls=_object(enabled={"type": "boolean"}))
    server = {
        "type": "object",
        "required": ["source", "config"],
        "properties": {"source": source, "config": config, "gateway": gateway, "transport": transport},
    }
    binding = {
        "type": "object",
        "required": ["mcpServerRef", "provider"],
        "properties": {"configRef": _TEXT, "mcpServerRef": {**_TEXT, "minLength": 1}, "provider": _TEXT},
    }
    told = _object(serviceName=_TEXT, deploymentName=_TEXT, address=_object(url=_TEXT), conditions=_CONDITIONS)
    return (
        _definition("MCPServer", "mcpservers", server, told),
        _definition("MCPGatewayBinding", "mcpgatewaybindings", binding, _object(url=_TEXT, conditions=_CONDITIONS)),
    )


def lifecycle_server(name: str, port: int = 8080, **spec: Any) -> Manifest:
    """A server of theirs."""
    source = {"type": "ContainerImage", "containerImage": {"ref": "registry.test/any:1"}}
    return _resource("MCPServer", name, {"source": source, "config": {"port": port, "path": "/mcp"}, **spec})


def gateway_binding(server: str, config: str, provider: str = "vmcp") -> Manifest:
    """What their operator makes for a server with `spec.gateway`."""
    spec = {"mcpServerRef": server, "provider": provider, "configRef": config}
    return _resource("MCPGatewayBinding", f"{server}-gateway-binding", spec)


def serve_by(kube: Kube, name: str, service: str) -> None:
    """Their operator has come to a server: a Service leads to its pods."""
    url = f"http://{service}.{kube.namespace}.svc.cluster.local:8080/mcp"
    status = {"serviceName": service, "address": {"url": url}}
    kube.kubectl(
        "patch",
        f"{SERVERS}/{name}",
        "--subresource=status",
        "--type=merge",
        f"--patch={json.dumps({'status': status})}",
    )


def remove_kinds(kube: Kube) -> None:
    """Deletes the definitions: `mcpserver/NAME` means one of ours again, for kubectl too, which remembers kinds.

    The API server names them for a moment longer, and kubectl would remember that.
    """
    for kind in lifecycle_kinds():
        kube.kubectl("delete", "crd", kind["metadata"]["name"], "--ignore-not-found", "--timeout=60s")
    kube.until_so(
        f"the end of {GROUP}", lambda: GROUP not in kube.kubectl("api-resources", "--cached=false", "--output=name")
    )


def _object(**properties: Any) -> Manifest:
    return {"type": "object", "properties": properties}


def _definition(kind: str, plural: str, spec: Manifest, status: Manifest) -> Manifest:
    names = {"kind": kind, "listKind": f"{kind}List", "plural": plural, "singular": kind.lower()}
    schema = {"type": "object", "required": ["spec"], "properties": {"spec": spec, "status": status}}
    version = {
        "name": "v1alpha1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
        "subresources": {"status": {}},
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": f"{plural}.{GROUP}",
            # The API server lets nobody else define kinds of the project's own groups.
            "annotations": {"api-approved.kubernetes.io": "unapproved, a stand-in of tests"},
        },
        "spec": {"group": GROUP, "names": names, "scope": "Namespaced", "versions": [version]},
    }


def _resource(kind: str, name: str, spec: Manifest) -> Manifest:
    return {"apiVersion": f"{GROUP}/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec}
