"""MCPServer: an MCP server that the operator runs."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from vmcp_api.base import Model, list_map
from vmcp_api.config.backend import Transport
from vmcp_api.kinds.metadata import ObjectMeta
from vmcp_api.kinds.pods import DEFAULT_REPLICAS, PodTemplateSpec, ResourceRequirements
from vmcp_api.kinds.status import Condition, StatusModel
from vmcp_api.spec.headers import HeaderForward
from vmcp_api.spec.references import KeyRef, NameRef
from vmcp_api.text.texts import NO_NUL

EnvName = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[A-Za-z_][A-Za-z0-9_.-]*$")]


class EnvVar(Model):
    """A variable of the server's environment, value in the clear."""

    name: Annotated[EnvName, Field(description="Name of the variable.")]
    value: Annotated[str, Field(max_length=32768, pattern=NO_NUL, description="Value; no credentials here.")] = ""


class SecretEnv(KeyRef):
    """A variable of the server's environment with the value in a Secret."""

    target_env_name: Annotated[
        EnvName | None, Field(description="Name of the variable; absent takes that of the key.")
    ] = None


class MCPServerNetworkPolicy(Model):
    """Who may connect to the server's pods."""

    enabled: Annotated[bool, Field(description="Only pods of VirtualMCPServers of this namespace may connect.")] = False


class MCPServerSpec(Model):
    """What runs and how it is reached."""

    image: Annotated[str, Field(min_length=1, max_length=512, description="Container image.")]
    transport: Annotated[Transport, Field(description="How the server is spoken to.")] = Transport.STREAMABLE_HTTP
    mcp_port: Annotated[
        int, Field(ge=1, le=65535, description="Port that the server listens on; of a stdio server its bridge.")
    ] = 8080
    path: Annotated[
        str | None,
        Field(
            max_length=1024,
            pattern=r"^/[^\s?#]*$",
            description="Path of the endpoint; absent means `/mcp`, for `sse` `/sse`. A stdio server's is `/mcp`.",
        ),
    ] = None
    args: Annotated[
        tuple[Annotated[str, Field(max_length=4096, pattern=NO_NUL)], ...],
        Field(max_length=256, description="Arguments of the container."),
    ] = ()
    env: Annotated[
        tuple[EnvVar, ...],
        Field(
            max_length=128,
            description="Variables with the value in the clear.",
            json_schema_extra=list_map("name"),
        ),
    ] = ()
    secrets: Annotated[
        tuple[SecretEnv, ...],
        Field(
            max_length=128,
            description="Variables with the value in a Secret.",
        ),
    ] = ()
    resources: Annotated[ResourceRequirements, Field(description="CPU and memory.")] = ResourceRequirements()
    pod_template_spec: Annotated[
        PodTemplateSpec | None,
        Field(description="Strategic merge over the pod template; the container is called `mcp`."),
    ] = None
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
    group_ref: Annotated[NameRef | None, Field(description="MCPGroup that the server joins.")] = None
    header_forward: Annotated[HeaderForward, Field(description="Static headers of every request to it.")] = (
        HeaderForward()
    )
    external_auth_config_ref: Annotated[
        NameRef | None, Field(description="MCPExternalAuthConfig that says what it is shown.")
    ] = None
    tool_config_ref: Annotated[
        NameRef | None, Field(description="MCPToolConfig that says which of its tools every endpoint sees, and how.")
    ] = None
    network_policy: Annotated[MCPServerNetworkPolicy, Field(description="Who may connect to the pods.")] = (
        MCPServerNetworkPolicy()
    )


class MCPServerPhase(StrEnum):
    """Where a server stands."""

    PENDING = "Pending"
    READY = "Ready"
    FAILED = "Failed"


class MCPServerStatus(StatusModel):
    """What the operator observes of a server."""

    phase: Annotated[MCPServerPhase | None, Field(description="Where it stands.")] = None
    message: Annotated[str | None, Field(max_length=4096, description="The phase in words.")] = None
    url: Annotated[str | None, Field(max_length=2048, description="Endpoint within the cluster.")] = None
    observed_generation: Annotated[int | None, Field(ge=0, description="Generation that this status describes.")] = None
    replicas: Annotated[int | None, Field(ge=0, description="Pods.")] = None
    ready_replicas: Annotated[int | None, Field(ge=0, description="Ready pods.")] = None
    selector: Annotated[str | None, Field(max_length=1024, description="Label selector of the pods.")] = None
    conditions: Annotated[
        tuple[Condition, ...],
        Field(max_length=32, description="Observations.", json_schema_extra=list_map("type")),
    ] = ()


class MCPServer(Model):
    """An MCP server that the operator runs."""

    api_version: Literal["vmcp.dev/v1beta1"]
    kind: Literal["MCPServer"]
    metadata: ObjectMeta
    spec: Annotated[MCPServerSpec, Field(description="What is wanted.")]
    status: Annotated[MCPServerStatus | None, Field(description="What is observed.")] = None
