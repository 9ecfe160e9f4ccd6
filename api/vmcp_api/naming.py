"""Names, ports and annotations that the operator, the proxy and local mode share."""

import re
from typing import Final

GROUP: Final = "vmcp.dev"
VERSION: Final = "v1beta1"
API_VERSION: Final = f"{GROUP}/{VERSION}"

REFERENCE_GROUP: Final = "toolhive.stacklok.dev"
"""API group whose manifests become ours by changing the ``apiVersion``."""

LIFECYCLE_GROUP: Final = "mcp.x-k8s.io"
"""API group of the MCP Lifecycle Operator of Kubernetes SIG Apps."""

MCP_PORT: Final = 4483
"""Port of the MCP listener."""

ADMIN_PORT: Final = 9090
"""Port of the admin listener."""

PROXY_CONTAINER: Final = "vmcp"
"""Name of the container of an endpoint's pods."""

LOCAL_COMMAND: Final = "vmcp.dev/local-command"
"""Annotation of an MCPServer: the command that local mode starts, as shell words or a JSON list."""

JOINED_BY: Final = "vmcp.dev/joined-by"
"""Label of an MCPServerEntry that is there because its server asked for it: the kind of what asked (ADR-0069)."""

LOCAL_URL: Final = "vmcp.dev/local-url"
"""Annotation of an MCPServer: the URL that local mode connects to."""

MAX_VMCP_NAME: Final = 58
"""Longest name of a VirtualMCPServer: ``vmcp-<name>`` is a Service, whose name has at most 63 characters."""

MAX_SERVER_NAME: Final = 48
"""Longest name of an MCPServer: ``mcp-<name>`` also names pods that carry it with an 11-character hash as a
label value of at most 63 characters."""

MAX_MEMBER_NAME: Final = 63
"""Longest name of a member of a group."""


MAX_OBJECT_NAME: Final = 253
"""Longest name of most objects: that of a DNS subdomain."""

_LABEL: Final = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN: Final = re.compile(rf"{_LABEL}(\.{_LABEL})*")

_PLURALS: Final = {"MCPServerEntry": "mcpserverentries"}


def plural_of(kind: str) -> str:
    """What a kind of ours is called in paths of the API server."""
    return _PLURALS.get(kind, f"{kind.lower()}s")


def is_object_name(name: str) -> bool:
    """Whether an object may have this name: a DNS subdomain (RFC 1123), as most kinds demand."""
    return len(name) <= MAX_OBJECT_NAME and _SUBDOMAIN.fullmatch(name) is not None


def vmcp_object_name(name: str) -> str:
    """Name of the Deployment, Service and other children of a VirtualMCPServer."""
    return f"vmcp-{name}"


def keys_secret_name(name: str) -> str:
    """Name of the Secret with the session keys of a VirtualMCPServer."""
    return f"{vmcp_object_name(name)}-keys"


KEYS_SECRET_PATTERN: Final = f"^{keys_secret_name('.+')}$"
"""Names of Secrets that hold session keys: a reference to one would hand them to whoever gets its value (ADR-0049)."""


def server_object_name(name: str) -> str:
    """Name of the Service and other children of an MCPServer."""
    return f"mcp-{name}"


def server_url(name: str, namespace: str, port: int, path: str) -> str:
    """Where an MCPServer is reached within the cluster."""
    return f"http://{server_object_name(name)}.{namespace}.svc:{port}{path}"
