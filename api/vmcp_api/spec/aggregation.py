"""How the capabilities of many backends become one catalog."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from vmcp_api.base import LIST_SET, BackendName, Constant, Model, Written, list_map
from vmcp_api.spec.references import NameRef

OriginalName = Annotated[str, Field(min_length=1, max_length=256)]
ExposedName = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9_.-]+$")]
ArgumentName = Annotated[str, Field(min_length=1, max_length=256)]


class ConflictResolution(StrEnum):
    """What happens when two backends offer the same tool name."""

    PREFIX = "prefix"
    PRIORITY = "priority"
    MANUAL = "manual"


class Visibility(StrEnum):
    """Whether tools of a workload without an entry of its own are served."""

    ALLOW = "allow"
    DENY = "deny"


class ConflictResolutionConfig(Model):
    """The settings of the conflict strategies."""

    prefix_format: Annotated[
        str,
        Field(
            max_length=64,
            pattern=r"^[A-Za-z0-9_.-]*\{workload\}[A-Za-z0-9_.-]*$",
            description="Prefix of every tool name under `prefix`; `{workload}` is the backend's name.",
        ),
    ] = "{workload}_"
    priority_order: Annotated[
        tuple[BackendName, ...],
        Field(
            max_length=256,
            description="Backends under `priority`, the one that wins a conflict first.",
            json_schema_extra=LIST_SET,
        ),
    ] = ()


class AnnotationsOverride(Model):
    """Hints that replace a tool's own; each absent hint keeps what the backend says."""

    title: Annotated[str | None, Field(max_length=256, description="Title shown to people.")] = None
    read_only_hint: Annotated[bool | None, Field(description="The tool changes nothing.")] = None
    destructive_hint: Annotated[bool | None, Field(description="The tool may destroy data.")] = None
    idempotent_hint: Annotated[bool | None, Field(description="Repeating the call changes nothing more.")] = None
    open_world_hint: Annotated[bool | None, Field(description="The tool reaches outside systems.")] = None


class ArgumentOverride(Model):
    """What becomes of one argument in calls of a tool."""

    fixed: Annotated[Written, Field(description="Sent on every call; callers neither see nor change the argument.")] = (
        None
    )
    default: Annotated[Written, Field(description="Sent where the caller leaves the argument out.")] = None
    hidden: Annotated[
        bool | None,
        Field(description="Callers neither see nor set the argument: `default` is sent, or nothing without one."),
    ] = None

    @property
    def is_withheld(self) -> bool:
        """Whether callers neither see the argument nor can send it."""
        return self.fixed is not None or bool(self.hidden)

    @property
    def value(self) -> Constant | None:
        """What is sent of our own; None where nothing is."""
        return self.default if self.fixed is None else self.fixed


class ToolOverride(Model):
    """What clients see of one tool instead of what its backend says."""

    name: Annotated[ExposedName | None, Field(description="New name.")] = None
    description: Annotated[str | None, Field(max_length=8192, description="New description.")] = None
    annotations: Annotated[AnnotationsOverride | None, Field(description="Hints to replace.")] = None
    arguments: Annotated[
        dict[ArgumentName, ArgumentOverride],
        Field(max_length=100, description="Arguments that are set or hidden here, by name."),
    ] = Field(default_factory=dict)


class WorkloadTools(Model):
    """Filters and overrides for the tools of one backend."""

    workload: Annotated[BackendName, Field(description="Backend that the entry is about.")]
    tool_config_ref: Annotated[
        NameRef | None,
        Field(
            description=(
                "MCPToolConfig with filter and overrides; a `filter` that stands here, and the overrides of a tool that"
                " stand here, count instead."
            )
        ),
    ] = None
    filter: Annotated[
        tuple[OriginalName, ...],
        Field(max_length=1000, description="Tools to serve, by original name; empty serves all."),
    ] = ()
    overrides: Annotated[
        dict[OriginalName, ToolOverride],
        Field(max_length=1000, description="Changes by original tool name."),
    ] = Field(default_factory=dict)
    exclude_all: Annotated[bool, Field(description="Serve no tool of this backend.")] = False


class Aggregation(Model):
    """How the catalog is composed."""

    conflict_resolution: Annotated[
        ConflictResolution, Field(description="Strategy for tool names that two backends share.")
    ] = ConflictResolution.PREFIX
    conflict_resolution_config: Annotated[ConflictResolutionConfig, Field(description="Settings of the strategy.")] = (
        ConflictResolutionConfig()
    )
    tools: Annotated[
        tuple[WorkloadTools, ...],
        Field(
            max_length=256,
            description="Filters and overrides by backend.",
            json_schema_extra=list_map("workload"),
        ),
    ] = ()
    exclude_all_tools: Annotated[bool, Field(description="Serve no tool of any backend.")] = False
    default_tool_visibility: Annotated[
        Visibility, Field(description="Whether backends without an entry in `tools` serve their tools.")
    ] = Visibility.ALLOW
    tool_name_limit: Annotated[
        int,
        Field(ge=16, le=128, description="Longest exposed name, in characters; longer ones are shortened."),
    ] = 64
