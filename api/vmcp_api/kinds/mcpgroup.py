"""MCPGroup: a set of backends; members point to it."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from vmcp_api.base import LIST_SET, Model, Name, list_map
from vmcp_api.kinds.metadata import ObjectMeta
from vmcp_api.kinds.status import Condition, StatusModel
from vmcp_api.naming import MAX_MEMBER_NAME
from vmcp_api.spec.references import CaBundleRef, NameRef


class ServerRef(Model):
    """A server that another operator runs; its object has no field for a group (ADR-0069)."""

    api_group: Annotated[Literal["mcp.x-k8s.io"], Field(description="API group of the server.")] = "mcp.x-k8s.io"
    kind: Annotated[Literal["MCPServer"], Field(description="Kind of the server.")] = "MCPServer"
    name: Annotated[
        Name, Field(max_length=MAX_MEMBER_NAME, description="Name of the server, and of the backend that it becomes.")
    ]
    external_auth_config_ref: Annotated[
        NameRef | None, Field(description="MCPExternalAuthConfig that says what it is shown.")
    ] = None
    tool_config_ref: Annotated[
        NameRef | None, Field(description="MCPToolConfig that says which of its tools every endpoint sees, and how.")
    ] = None
    ca_bundle_ref: Annotated[
        CaBundleRef | None, Field(description="CA certificates beyond the system's, where the server speaks TLS.")
    ] = None


class MCPGroupSpec(Model):
    """What the group is for, and who is in it beside those who point to it."""

    description: Annotated[str | None, Field(max_length=1024, description="What the group is for.")] = None
    server_refs: Annotated[
        tuple[ServerRef, ...],
        Field(
            max_length=64,
            description="Servers of other operators that the group takes; each becomes an MCPServerEntry of its name.",
            json_schema_extra=list_map("name"),
        ),
    ] = ()
    allow_gateway_bindings: Annotated[
        bool,
        Field(description="Whether servers of mcp.x-k8s.io may join by their own `spec.gateway` of provider vmcp."),
    ] = False


class MCPGroupPhase(StrEnum):
    """Where a group stands."""

    PENDING = "Pending"
    READY = "Ready"
    FAILED = "Failed"


MemberNames = Annotated[
    tuple[Annotated[str, Field(max_length=253)], ...],
    Field(max_length=256, json_schema_extra=LIST_SET),
]


class MCPGroupStatus(StatusModel):
    """What the operator observes of a group."""

    phase: Annotated[MCPGroupPhase | None, Field(description="Where it stands.")] = None
    observed_generation: Annotated[int | None, Field(ge=0, description="Generation that this status describes.")] = None
    servers: Annotated[MemberNames, Field(description="MCPServers in the group.")] = ()
    server_count: Annotated[int | None, Field(ge=0, description="How many MCPServers.")] = None
    entries: Annotated[MemberNames, Field(description="MCPServerEntries in the group.")] = ()
    entry_count: Annotated[int | None, Field(ge=0, description="How many MCPServerEntries.")] = None
    virtual_servers: Annotated[MemberNames, Field(description="VirtualMCPServers that serve it.")] = ()
    virtual_server_count: Annotated[int | None, Field(ge=0, description="How many VirtualMCPServers.")] = None
    conditions: Annotated[
        tuple[Condition, ...],
        Field(max_length=32, description="Observations.", json_schema_extra=list_map("type")),
    ] = ()


class MCPGroup(Model):
    """A set of backends: MCPServers and MCPServerEntries that point to it, and servers of others that it names."""

    api_version: Literal["vmcp.dev/v1beta1"]
    kind: Literal["MCPGroup"]
    metadata: ObjectMeta
    spec: Annotated[MCPGroupSpec, Field(description="What is wanted.")] = MCPGroupSpec()
    status: Annotated[MCPGroupStatus | None, Field(description="What is observed.")] = None
