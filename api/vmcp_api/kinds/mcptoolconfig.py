"""MCPToolConfig: filters and overrides of tools that servers and endpoints share."""

from typing import Annotated, Literal

from pydantic import Field

from vmcp_api.base import LIST_SET, Model
from vmcp_api.kinds.metadata import ObjectMeta
from vmcp_api.kinds.status import ConfigStatus
from vmcp_api.spec.aggregation import OriginalName, ToolOverride


class MCPToolConfigSpec(Model):
    """Which tools are served, and what clients see of them."""

    tools_filter: Annotated[
        tuple[OriginalName, ...],
        Field(
            max_length=1000,
            description="Tools to serve, by original name or by that of an override; empty serves all.",
            json_schema_extra=LIST_SET,
        ),
    ] = ()
    tools_override: Annotated[
        dict[OriginalName, ToolOverride],
        Field(max_length=1000, description="Changes by original tool name."),
    ] = Field(default_factory=dict)


class MCPToolConfigStatus(ConfigStatus):
    """What the operator observes of filters and overrides."""


class MCPToolConfig(Model):
    """Filters and overrides; members and `config.aggregation.tools` take them over with `toolConfigRef`."""

    api_version: Literal["vmcp.dev/v1beta1"]
    kind: Literal["MCPToolConfig"]
    metadata: ObjectMeta
    spec: Annotated[MCPToolConfigSpec, Field(description="What is wanted.")]
    status: Annotated[MCPToolConfigStatus | None, Field(description="What is observed.")] = None
