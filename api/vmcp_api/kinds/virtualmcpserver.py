"""VirtualMCPServer: one endpoint for the members of a group."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from vmcp_api.base import LIST_SET, HeaderName, Model, Name, list_map
from vmcp_api.config.proxy import VmcpConfig, VmcpSettings
from vmcp_api.kinds.endpoint.auth import VirtualMCPServerIncomingAuth, VirtualMCPServerOutgoingAuth
from vmcp_api.kinds.endpoint.optimizer import VirtualMCPServerOptimizer
from vmcp_api.kinds.metadata import ObjectMeta
from vmcp_api.kinds.pods import DEFAULT_REPLICAS, ImagePullSecrets, NetworkPeer, PodDisruptionBudget, PodTemplateSpec
from vmcp_api.kinds.status import Condition, StatusModel
from vmcp_api.spec.composite import MAX_COMPOSITE_TOOLS
from vmcp_api.spec.headers import PassthroughHeaderMode
from vmcp_api.spec.references import NameRef
from vmcp_api.spec.sessions import SessionManagement, SessionStorage
from vmcp_api.spec.telemetry import ServiceName


class ServiceType(StrEnum):
    """How the endpoint's Service is exposed."""

    CLUSTER_IP = "ClusterIP"
    NODE_PORT = "NodePort"
    LOAD_BALANCER = "LoadBalancer"


class SessionAffinity(StrEnum):
    """Whether a client's connections stay on one pod."""

    CLIENT_IP = "ClientIP"
    NONE = "None"


class TelemetryConfigRef(NameRef):
    """Telemetry settings, and what the endpoint calls itself there."""

    service_name: Annotated[
        ServiceName | None, Field(description="`service.name`; absent takes the name of the VirtualMCPServer.")
    ] = None


class VirtualMCPServerConfig(VmcpSettings):
    """How the endpoint behaves, with what it takes over from other resources."""

    optimizer: Annotated[
        VirtualMCPServerOptimizer | None,
        Field(description="Tool search; present, it is on, and absent all tools are listed as they are."),
    ] = None

    composite_tool_refs: Annotated[
        tuple[NameRef, ...],
        Field(
            max_length=MAX_COMPOSITE_TOOLS,
            description="VirtualMCPCompositeToolDefinitions whose tools are served beside those of `compositeTools`.",
            json_schema_extra=list_map("name"),
        ),
    ] = ()

    @property
    def behaviour(self) -> VmcpConfig:
        """All that is said here itself, and that a proxy takes as it is."""
        return VmcpConfig(**{name: getattr(self, name) for name in VmcpSettings.model_fields})


class VirtualMCPServerNetworkPolicy(Model):
    """Who may connect to the endpoint's pods."""

    enabled: Annotated[bool, Field(description="Whether a NetworkPolicy is created.")] = False
    ingress_from: Annotated[
        tuple[NetworkPeer, ...],
        Field(max_length=32, description="Who may reach the MCP port; empty allows this namespace."),
    ] = ()
    metrics_from: Annotated[
        tuple[NetworkPeer, ...],
        Field(
            max_length=32,
            description=(
                "Who may reach the admin port to scrape metrics, besides the operator and those that it lets in"
                " everywhere."
            ),
        ),
    ] = ()


class VirtualMCPServerSpec(Model):
    """What the endpoint serves and how it runs."""

    group_ref: Annotated[NameRef, Field(description="MCPGroup whose members are served.")]
    incoming_auth: Annotated[
        VirtualMCPServerIncomingAuth, Field(description="How callers are identified, and what they may do.")
    ]
    outgoing_auth: Annotated[VirtualMCPServerOutgoingAuth, Field(description="What backends are shown.")] = (
        VirtualMCPServerOutgoingAuth()
    )
    passthrough_headers: Annotated[
        tuple[HeaderName, ...],
        Field(
            max_length=64,
            description="Client headers that are forwarded to every backend.",
            json_schema_extra=LIST_SET,
        ),
    ] = ()
    passthrough_header_mode: Annotated[
        PassthroughHeaderMode,
        Field(description="Whose headers: the session's first request, or each request's own."),
    ] = PassthroughHeaderMode.SESSION
    allowed_hosts: Annotated[
        tuple[Annotated[str, Field(min_length=1, max_length=253)], ...],
        Field(
            max_length=64,
            description="Host names that requests may be addressed to; empty checks nothing.",
            json_schema_extra=LIST_SET,
        ),
    ] = ()
    allowed_origins: Annotated[
        tuple[Annotated[str, Field(min_length=1, max_length=253)], ...],
        Field(
            max_length=64,
            description="Origins that browsers may send; an absent Origin is always allowed.",
            json_schema_extra=LIST_SET,
        ),
    ] = ()
    config: Annotated[VirtualMCPServerConfig, Field(description="How the endpoint behaves.")] = VirtualMCPServerConfig()
    telemetry_config_ref: Annotated[
        TelemetryConfigRef | None,
        Field(description="MCPTelemetryConfig that says what is sent by OTLP; absent sends nothing."),
    ] = None
    embedding_server_ref: Annotated[
        NameRef | None,
        Field(
            description=(
                "ToolHive's EmbeddingServer: switches `config.optimizer` on where that is absent, and is not asked, as"
                " tools are ranked in the process."
            )
        ),
    ] = None
    session_storage: Annotated[SessionStorage, Field(description="Where session metadata lives.")] = SessionStorage()
    session_management: Annotated[SessionManagement, Field(description="Lifetimes and caps of sessions.")] = (
        SessionManagement()
    )
    replicas: Annotated[
        int,
        Field(
            ge=0,
            le=1000,
            description=(
                "Pods to run; leave it out for an HPA, which sets it by the scale subresource. The default gives way"
                " to a number that somebody gave the Deployment."
            ),
        ),
    ] = DEFAULT_REPLICAS
    service_type: Annotated[ServiceType, Field(description="How the Service is exposed.")] = ServiceType.CLUSTER_IP
    session_affinity: Annotated[
        SessionAffinity, Field(description="Whether a client's connections stay on one pod.")
    ] = SessionAffinity.CLIENT_IP
    service_account: Annotated[
        Name | None, Field(description="ServiceAccount of the pods; absent creates one without rights.")
    ] = None
    image_pull_secrets: Annotated[
        ImagePullSecrets,
        Field(description="Secrets to pull the image with.", json_schema_extra=list_map("name")),
    ] = ()
    pod_template_spec: Annotated[
        PodTemplateSpec | None,
        Field(description="Strategic merge over the pod template; the container is called `vmcp`."),
    ] = None
    pod_disruption_budget: Annotated[
        PodDisruptionBudget | None, Field(description="Protection from voluntary disruptions.")
    ] = None
    network_policy: Annotated[VirtualMCPServerNetworkPolicy, Field(description="Who may connect to the pods.")] = (
        VirtualMCPServerNetworkPolicy()
    )


class VirtualMCPServerPhase(StrEnum):
    """Where an endpoint stands."""

    PENDING = "Pending"
    READY = "Ready"
    DEGRADED = "Degraded"
    FAILED = "Failed"


class BackendHealth(StrEnum):
    """How a backend fares; `unauthenticated` ones are routable."""

    READY = "ready"
    DEGRADED = "degraded"
    UNAVAILABLE = "unavailable"
    UNAUTHENTICATED = "unauthenticated"
    UNKNOWN = "unknown"


class BackendStatus(StatusModel):
    """One member of the group as the pods see it."""

    name: Annotated[str, Field(max_length=63, description="Name within the group.")]
    kind: Annotated[str, Field(max_length=63, description="Kind of the resource.")]
    url: Annotated[str | None, Field(max_length=2048, description="Endpoint.")] = None
    status: Annotated[BackendHealth, Field(description="How it fares.")] = BackendHealth.UNKNOWN
    transport: Annotated[str | None, Field(max_length=32, description="How it is spoken to.")] = None
    protocol_revision: Annotated[str | None, Field(max_length=32, description="MCP revision in use.")] = None
    auth_type: Annotated[str | None, Field(max_length=32, description="Strategy of what it is shown.")] = None
    tools: Annotated[int | None, Field(ge=0, description="Tools that it offers.")] = None
    circuit_state: Annotated[str | None, Field(max_length=16, description="State of its breaker.")] = None
    last_transition_time: Annotated[
        str | None,
        Field(
            max_length=40,
            description="When `status` last changed.",
            json_schema_extra={"format": "date-time"},
        ),
    ] = None
    reason: Annotated[str | None, Field(max_length=63, description="Why it is not served.")] = None
    message: Annotated[str | None, Field(max_length=1024, description="What is so, and what to do.")] = None


class ConflictStatus(StatusModel):
    """A name that several backends claim."""

    kind: Annotated[str, Field(max_length=32, description="tool, resource, template or prompt.")]
    name: Annotated[str, Field(max_length=512, description="The name.")]
    backends: Annotated[
        tuple[Annotated[str, Field(max_length=63)], ...],
        Field(max_length=256, description="Who claims it."),
    ] = ()
    winner: Annotated[
        str | None, Field(max_length=63, description="Who serves it; absent when it is withheld from all.")
    ] = None


class UnmatchedStatus(StatusModel):
    """An entry of `spec.config` that names tools, or a tool of a step, and fits nothing."""

    backend: Annotated[
        str,
        Field(
            max_length=63,
            description="Backend that it is about; empty for rateLimiting, optimizer and compositeTools.",
        ),
    ]
    setting: Annotated[
        str,
        Field(
            max_length=32,
            description=(
                "filter, overrides, arguments, rateLimiting, optimizer, compositeTools; workload: no such backend."
            ),
        ),
    ]
    name: Annotated[
        str,
        Field(
            max_length=512,
            description="The entry; of arguments `<tool>.<argument>`, of compositeTools `<name>: <tool>`.",
        ),
    ]


class VirtualMCPServerStatus(StatusModel):
    """What the operator observes of an endpoint."""

    phase: Annotated[VirtualMCPServerPhase | None, Field(description="Where it stands.")] = None
    message: Annotated[str | None, Field(max_length=4096, description="The phase in words.")] = None
    url: Annotated[str | None, Field(max_length=2048, description="Endpoint, with `/mcp`.")] = None
    observed_generation: Annotated[int | None, Field(ge=0, description="Generation that this status describes.")] = None
    replicas: Annotated[int | None, Field(ge=0, description="Pods.")] = None
    ready_replicas: Annotated[int | None, Field(ge=0, description="Ready pods.")] = None
    selector: Annotated[str | None, Field(max_length=1024, description="Label selector of the pods.")] = None
    tool_count: Annotated[int | None, Field(ge=0, description="Tools served.")] = None
    resource_count: Annotated[int | None, Field(ge=0, description="Resources served.")] = None
    prompt_count: Annotated[int | None, Field(ge=0, description="Prompts served.")] = None
    context_bytes: Annotated[int | None, Field(ge=0, description="Size of all tools as a list, in bytes.")] = None
    listed_context_bytes: Annotated[
        int | None,
        Field(ge=0, description="Size of the list under tool search, in bytes; absent where all tools are listed."),
    ] = None
    backends: Annotated[
        tuple[BackendStatus, ...],
        Field(max_length=256, description="Members of the group.", json_schema_extra=list_map("name")),
    ] = ()
    backend_count: Annotated[int | None, Field(ge=0, description="Members of the group.")] = None
    backend_summary: Annotated[
        str | None, Field(max_length=16, description="Routable members of all, such as `2/3`.")
    ] = None
    conflicts: Annotated[
        tuple[ConflictStatus, ...], Field(max_length=256, description="Names that several backends claim.")
    ] = ()
    unmatched: Annotated[
        tuple[UnmatchedStatus, ...], Field(max_length=256, description="Settings of tools that fit nothing.")
    ] = ()
    conditions: Annotated[
        tuple[Condition, ...],
        Field(max_length=32, description="Observations.", json_schema_extra=list_map("type")),
    ] = ()


class VirtualMCPServer(Model):
    """One MCP endpoint for the members of a group."""

    api_version: Literal["vmcp.dev/v1beta1"]
    kind: Literal["VirtualMCPServer"]
    metadata: ObjectMeta
    spec: Annotated[VirtualMCPServerSpec, Field(description="What is wanted.")]
    status: Annotated[VirtualMCPServerStatus | None, Field(description="What is observed.")] = None
