"""VirtualMCPCompositeToolDefinition: a composite tool that endpoints share."""

from enum import StrEnum
from typing import Annotated, Final, Literal

from pydantic import Field

from vmcp_api.base import LIST_SET, Model, list_map
from vmcp_api.kinds.metadata import ObjectMeta
from vmcp_api.kinds.status import Condition, StatusModel
from vmcp_api.spec.composite import CompositeTool

MAX_ERRORS: Final = 64
MAX_REFERRERS: Final = 256


class ValidationStatus(StrEnum):
    """Whether a workflow can run."""

    VALID = "Valid"
    INVALID = "Invalid"
    UNKNOWN = "Unknown"


class VirtualMCPCompositeToolDefinitionStatus(StatusModel):
    """What the operator observes of a composite tool."""

    observed_generation: Annotated[int | None, Field(ge=0, description="Generation that this status describes.")] = None
    validation_status: Annotated[ValidationStatus | None, Field(description="Whether the workflow can run.")] = None
    validation_errors: Annotated[
        tuple[Annotated[str, Field(max_length=1024)], ...],
        Field(max_length=MAX_ERRORS, description="What is wrong with it: place, fault and remedy."),
    ] = ()
    referencing_virtual_servers: Annotated[
        tuple[Annotated[str, Field(max_length=253)], ...],
        Field(max_length=MAX_REFERRERS, description="VirtualMCPServers that refer to it.", json_schema_extra=LIST_SET),
    ] = ()
    conditions: Annotated[
        tuple[Condition, ...],
        Field(max_length=32, description="Observations.", json_schema_extra=list_map("type")),
    ] = ()


class VirtualMCPCompositeToolDefinition(Model):
    """A composite tool; VirtualMCPServers take it over with `config.compositeToolRefs`."""

    api_version: Literal["vmcp.dev/v1beta1"]
    kind: Literal["VirtualMCPCompositeToolDefinition"]
    metadata: ObjectMeta
    spec: Annotated[CompositeTool, Field(description="What is wanted.")]
    status: Annotated[VirtualMCPCompositeToolDefinitionStatus | None, Field(description="What is observed.")] = None
