"""Every kind that the operator reads or writes, and how one object is named."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from vmcp_api.naming import GROUP, LIFECYCLE_GROUP, VERSION, server_object_name, vmcp_object_name

Manifest: TypeAlias = dict[str, Any]
"""An object as the API server takes and gives it."""


@dataclass(frozen=True, slots=True)
class ChildNames:
    """How the children of a kind are labelled and called; `app` tells it from all other kinds."""

    app: str
    component: str
    of: Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Kind:
    """A namespaced kind of the API server; `children` where the operator makes some for it."""

    group: str
    version: str
    name: str
    plural: str
    children: ChildNames | None = field(default=None, compare=False, repr=False)

    @property
    def api_version(self) -> str:
        """What stands in `apiVersion`."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def folder(self, namespace: str = "") -> str:
        """The path of the kind's objects at the API server; an empty namespace means all of them."""
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        return f"{root}/namespaces/{namespace}/{self.plural}" if namespace else f"{root}/{self.plural}"

    def __str__(self) -> str:
        # Two groups have an MCPServer; ours has the plain name.
        return f"{self.name}.{self.group}" if self.group == LIFECYCLE_GROUP else self.name


@dataclass(frozen=True, slots=True)
class Ref:
    """One object of the cluster; those of our own kinds are the keys of the queue."""

    kind: Kind
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}"


PROXIES: Final = ChildNames("vmcp", "proxy", vmcp_object_name)
SERVERS: Final = ChildNames("mcp-server", "backend", server_object_name)

VMCP: Final = Kind(GROUP, VERSION, "VirtualMCPServer", "virtualmcpservers", PROXIES)
MCP_GROUP: Final = Kind(GROUP, VERSION, "MCPGroup", "mcpgroups")
SERVER: Final = Kind(GROUP, VERSION, "MCPServer", "mcpservers", SERVERS)
ENTRY: Final = Kind(GROUP, VERSION, "MCPServerEntry", "mcpserverentries")
EXTERNAL_AUTH_CONFIG: Final = Kind(GROUP, VERSION, "MCPExternalAuthConfig", "mcpexternalauthconfigs")
OIDC_CONFIG: Final = Kind(GROUP, VERSION, "MCPOIDCConfig", "mcpoidcconfigs")
AUTHZ_CONFIG: Final = Kind(GROUP, VERSION, "MCPAuthzConfig", "mcpauthzconfigs")
TELEMETRY_CONFIG: Final = Kind(GROUP, VERSION, "MCPTelemetryConfig", "mcptelemetryconfigs")
TOOL_CONFIG: Final = Kind(GROUP, VERSION, "MCPToolConfig", "mcptoolconfigs")
COMPOSITE_TOOL: Final = Kind(GROUP, VERSION, "VirtualMCPCompositeToolDefinition", "virtualmcpcompositetooldefinitions")

LIFECYCLE_SERVER: Final = Kind(LIFECYCLE_GROUP, "v1alpha1", "MCPServer", "mcpservers")
GATEWAY_BINDING: Final = Kind(LIFECYCLE_GROUP, "v1alpha1", "MCPGatewayBinding", "mcpgatewaybindings")

CONFIG_MAP: Final = Kind("", "v1", "ConfigMap", "configmaps")
SECRET: Final = Kind("", "v1", "Secret", "secrets")
SERVICE: Final = Kind("", "v1", "Service", "services")
SERVICE_ACCOUNT: Final = Kind("", "v1", "ServiceAccount", "serviceaccounts")
POD: Final = Kind("", "v1", "Pod", "pods")
DEPLOYMENT: Final = Kind("apps", "v1", "Deployment", "deployments")
STATEFUL_SET: Final = Kind("apps", "v1", "StatefulSet", "statefulsets")
ROLE: Final = Kind("rbac.authorization.k8s.io", "v1", "Role", "roles")
ROLE_BINDING: Final = Kind("rbac.authorization.k8s.io", "v1", "RoleBinding", "rolebindings")
REPLICA_SET: Final = Kind("apps", "v1", "ReplicaSet", "replicasets")
NETWORK_POLICY: Final = Kind("networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies")
DISRUPTION_BUDGET: Final = Kind("policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets")
EVENT: Final = Kind("events.k8s.io", "v1", "Event", "events")
LEASE: Final = Kind("coordination.k8s.io", "v1", "Lease", "leases")

OWN: Final = (
    VMCP,
    MCP_GROUP,
    SERVER,
    ENTRY,
    EXTERNAL_AUTH_CONFIG,
    OIDC_CONFIG,
    AUTHZ_CONFIG,
    TELEMETRY_CONFIG,
    TOOL_CONFIG,
    COMPOSITE_TOOL,
)
"""The kinds of our API group."""

LIFECYCLE: Final = (LIFECYCLE_SERVER, GATEWAY_BINDING)
"""Kinds of the MCP Lifecycle Operator (Kubernetes SIG Apps), which a cluster may not have (ADR-0069)."""

RECONCILED: Final = (*OWN, GATEWAY_BINDING)
"""Kinds of which each object is a key of the queue."""

OWNED: Final = (DEPLOYMENT, SERVICE, SERVICE_ACCOUNT, NETWORK_POLICY, DISRUPTION_BUDGET, POD)
"""Kinds that are watched by our label: children, and the pods behind them."""

WORKLOADS: Final = frozenset({DEPLOYMENT, STATEFUL_SET})
"""Kinds behind which pods are looked for."""

STDIO_OWNED: Final = (STATEFUL_SET, ROLE, ROLE_BINDING)
"""Those that only stdio servers need, which the operator may have no right to (ADR-0058)."""

ALL: Final = (*OWN, *LIFECYCLE, *OWNED, *STDIO_OWNED, CONFIG_MAP, SECRET, REPLICA_SET, EVENT, LEASE)


def kind_of(manifest: Manifest) -> Kind:
    """The kind of an object.

    Raises:
        KeyError: it is none that the operator knows.
    """
    return _BY_NAME[manifest["apiVersion"], manifest["kind"]]


def ref_of(manifest: Manifest) -> Ref:
    """The name of an object.

    Raises:
        KeyError: it is of a kind that the operator does not know.
    """
    metadata = manifest["metadata"]
    return Ref(kind_of(manifest), metadata["namespace"], metadata["name"])


_BY_NAME: Final = {(kind.api_version, kind.name): kind for kind in ALL}
