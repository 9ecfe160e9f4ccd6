"""MCPGroup: a set of backends; members point to it."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from vmcp_api.base import LIST_SET, Model, list_map
from vmcp_api.kinds.metadata import ObjectMeta
from vmcp_api.kinds.status import Condition, StatusModel


class MCPGroupSpec(Model):
    """What the group is for."""

    description: Annotated[str | None, Field(max_length=1024, description="What the group is for.")] = None


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
    """A set of backends; MCPServers and MCPServerEntries join it by `groupRef`."""

    api_version: Literal["vmcp.dev/v1beta1"]
    kind: Literal["MCPGroup"]
    metadata: ObjectMeta
    spec: Annotated[MCPGroupSpec, Field(description="What is wanted.")] = MCPGroupSpec()
    status: Annotated[MCPGroupStatus | None, Field(description="What is observed.")] = None
