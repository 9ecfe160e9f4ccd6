"""Kinds of the MCP Lifecycle Operator (Kubernetes SIG Apps), as far as they are read here (ADR-0069).

Their schemas belong to another project and grow: what is not needed is passed over, and what cannot be used is said in
words instead of being refused.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final

from pydantic import Field

from vmcp_api.base import Url, list_map
from vmcp_api.kinds.status import Condition, StatusModel
from vmcp_api.naming import LIFECYCLE_GROUP, is_object_name, vmcp_object_name

PROVIDER: Final = "vmcp"
"""What `spec.gateway.provider` of a server says to be served through an endpoint of ours."""

SERVER_KIND: Final = f"MCPServer.{LIFECYCLE_GROUP}"
"""What a person calls the servers' kind to tell it from ours."""

_SERVICE: Final = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")
_PATH: Final = re.compile(r"/[\x21-\x7e]{0,252}")
_OF_ENDPOINTS: Final = vmcp_object_name("")
_DEFAULT_PATH: Final = "/mcp"
_SHOWN: Final = 64
_PORTS: Final = range(1, 65536)


@dataclass(frozen=True, slots=True)
class LifecycleServer:
    """An `MCPServer` of `mcp.x-k8s.io`; `url` is None while it cannot be reached, for the reason in `problem`."""

    name: str
    namespace: str
    url: str | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class GatewayBinding:
    """An `MCPGatewayBinding`: a server that asks for a gateway; `config` names a ConfigMap, empty where none is.

    A name that no object can have is left out as well, and `problem` says so.
    """

    name: str
    namespace: str
    provider: str
    server: str
    config: str = ""
    problem: str = ""


class GatewayBindingStatus(StatusModel):
    """What a provider tells of a binding; the fields are those of its CustomResourceDefinition, no more."""

    url: Annotated[Url | None, Field(description="Endpoint of the gateway.")] = None
    conditions: Annotated[
        tuple[Condition, ...],
        Field(max_length=8, description="Observations.", json_schema_extra=list_map("type")),
    ] = ()


def parse_server(manifest: Mapping[str, Any]) -> LifecycleServer:
    """An `MCPServer` of `mcp.x-k8s.io` from its document.

    The URL is that of its Service. `status.address.url` is not asked: it becomes the gateway's own once a binding is
    fulfilled, and an endpoint would call itself.
    """
    metadata = manifest["metadata"]
    found = _find_url(manifest, metadata["namespace"])
    if isinstance(found, _Unreachable):
        return LifecycleServer(metadata["name"], metadata["namespace"], problem=found.why)
    return LifecycleServer(metadata["name"], metadata["namespace"], found)


def parse_binding(manifest: Mapping[str, Any]) -> GatewayBinding:
    """An `MCPGatewayBinding` from its document."""
    metadata, spec = manifest["metadata"], _mapping(manifest.get("spec"))
    server, config = _text(spec.get("mcpServerRef")), _text(spec.get("configRef"))
    problems = (
        refuse_name("spec.mcpServerRef", "MCPServer", server),
        refuse_name("spec.configRef", "ConfigMap", config) if config else "",
    )
    return GatewayBinding(
        metadata["name"],
        metadata["namespace"],
        provider=_text(spec.get("provider")),
        server="" if problems[0] else server,
        config="" if problems[1] else config,
        problem="; ".join(filter(None, problems)),
    )


def is_asked_of_us(manifest: Mapping[str, Any]) -> bool:
    """Whether the document of an `MCPGatewayBinding` names our provider."""
    return _mapping(manifest.get("spec")).get("provider") == PROVIDER


def refuse_name(place: str, kind: str, name: str) -> str:
    """What is said of a text that is to name an object and cannot; empty where it can."""
    if is_object_name(name):
        return ""
    came = repr(name[:_SHOWN]) + ("..." if len(name) > _SHOWN else "")
    return f"{place} is {came}, which no {kind} can be called; write the name of one in this namespace"


@dataclass(frozen=True, slots=True)
class _Unreachable:
    why: str


def _find_url(manifest: Mapping[str, Any], namespace: str) -> str | _Unreachable:
    spec, status = _mapping(manifest.get("spec")), _mapping(manifest.get("status"))
    config = _mapping(spec.get("config"))
    service, port = status.get("serviceName"), config.get("port")
    path = config.get("path") or _DEFAULT_PATH
    if not service:
        return _Unreachable("its status names no Service yet: its own operator has not come to it")
    if not (isinstance(service, str) and _SERVICE.fullmatch(service)):
        return _Unreachable("status.serviceName is no name of a Service")
    if service.startswith(_OF_ENDPOINTS):
        message = f"status.serviceName {service!r} begins with {_OF_ENDPOINTS!r}, as Services of VirtualMCPServers do"
        return _Unreachable(f"{message}, and one would call itself; give the server another name")
    if not isinstance(port, int) or isinstance(port, bool) or port not in _PORTS:
        return _Unreachable("spec.config.port is no port")
    if not (isinstance(path, str) and _PATH.fullmatch(path)) or "#" in path:
        return _Unreachable("spec.config.path is no path of a URL")
    tls = _mapping(_mapping(spec.get("transport")).get("tls"))
    scheme = "https" if tls.get("enabled") is True else "http"
    return f"{scheme}://{service}.{namespace}.svc:{port}{path}"


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
