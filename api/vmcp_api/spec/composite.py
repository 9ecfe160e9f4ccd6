"""Composite tools: one tool that runs a workflow over the tools of the backends (ADR-0051).

Names and meaning are those of ToolHive's `compositeTools`. Texts called templates are read by
`vmcp_api.templates`; what one field cannot say by itself is checked by `vmcp_api.workflows`.
"""

from enum import StrEnum
from typing import Annotated, Final, Literal, TypeAlias

from pydantic import Field

from vmcp_api.base import LIST_SET, JsonObject, Model, Seconds, Written, list_map
from vmcp_api.spec.aggregation import AnnotationsOverride

MAX_STEPS: Final = 100
MAX_DEPENDENCIES: Final = 50
MAX_RETRIES: Final = 10
MAX_ITERATIONS: Final = 1000
MAX_PARALLEL_ITERATIONS: Final = 50
MAX_COMPOSITE_TOOLS: Final = 64
"""Composite tools of one endpoint, those by reference included."""

ITEM: Final = "item"
INDEX: Final = "index"
"""How templates within `forEach` call the item and its place; the latter cannot be renamed."""

STEP_ID_PATTERN: Final = r"^[A-Za-z0-9_-]+$"
VARIABLE_PATTERN: Final = r"^[A-Za-z_][A-Za-z0-9_]*$"

StepId: TypeAlias = Annotated[str, Field(min_length=1, max_length=64, pattern=STEP_ID_PATTERN)]
PropertyName: TypeAlias = Annotated[str, Field(min_length=1, max_length=256)]
Template: TypeAlias = Annotated[str, Field(min_length=1, max_length=1 << 16)]
ToolName: TypeAlias = Annotated[str, Field(min_length=1, max_length=320)]
_Timeout: TypeAlias = Annotated[Seconds, Field(ge=0.001, le=86_400)]


class StepType(StrEnum):
    """What a step does."""

    TOOL = "tool"
    ELICITATION = "elicitation"
    FOR_EACH = "forEach"


class FailureMode(StrEnum):
    """What becomes of a workflow whose step fails, where the step does not say it."""

    ABORT = "abort"
    CONTINUE = "continue"


class ErrorAction(StrEnum):
    """What becomes of a workflow when a step fails."""

    ABORT = "abort"
    CONTINUE = "continue"
    RETRY = "retry"


class ResponseAction(StrEnum):
    """What becomes of a workflow when a person does not answer a question."""

    SKIP_REMAINING = "skip_remaining"
    ABORT = "abort"
    CONTINUE = "continue"


class JsonType(StrEnum):
    """A type of JSON Schema."""

    STRING = "string"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    OBJECT = "object"
    ARRAY = "array"


class OnError(Model):
    """What happens when a step fails."""

    action: Annotated[
        ErrorAction | None,
        Field(
            description=(
                "`abort` ends the workflow, `continue` goes on without the step, `retry` repeats it first; absent does"
                " as `failureMode` says."
            )
        ),
    ] = None
    retry_count: Annotated[
        int | None,
        Field(ge=0, le=MAX_RETRIES, description="How often a failed step is repeated, whatever the action."),
    ] = None
    max_retries: Annotated[
        int | None, Field(ge=0, le=MAX_RETRIES, description="Another name of `retryCount`, as ToolHive's examples say.")
    ] = None
    retry_delay: Annotated[
        Seconds,
        Field(
            ge=0.001,
            le=60,
            description="Longest wait before the first repetition; doubles each time, up to 1m, with full jitter.",
        ),
    ] = 1.0
    fallback: Annotated[
        FailureMode | None,
        Field(description="What follows when `retry` did not help; absent does as `failureMode` says."),
    ] = None

    @property
    def retries(self) -> int:
        """How often a failed step is repeated."""
        return self.retry_count or self.max_retries or 0

    def outcome(self, mode: FailureMode) -> FailureMode:
        """What follows when the step has failed for good, in a workflow of that mode."""
        if self.action is ErrorAction.RETRY:
            return self.fallback or mode
        return FailureMode(self.action) if self.action else mode


class ElicitationResponse(Model):
    """What happens when a person does not answer a question."""

    action: Annotated[
        ResponseAction,
        Field(
            description=(
                "`abort` ends the workflow, `continue` goes on without an answer, `skip_remaining` leaves out all steps"
                " that have not begun and returns what there is."
            )
        ),
    ] = ResponseAction.ABORT


class InnerStep(Model):
    """The call that is made for each item of a collection."""

    type: Annotated[Literal["tool"], Field(description="`tool`: nothing else can be repeated.")] = "tool"
    tool: Annotated[ToolName, Field(description="Tool to call, named as in other steps.")]
    arguments: Annotated[JsonObject, Field(description="Its arguments; texts are templates and see `forEach` too.")] = (
        Field(default_factory=dict)
    )
    on_error: Annotated[
        OnError | None, Field(description="How often the call of an item is repeated; the rest is said by the step's.")
    ] = None


class Step(Model):
    """One step of a workflow; it begins as soon as the steps it depends on are over."""

    id: Annotated[StepId, Field(description="Name of the step within the workflow.")]
    type: Annotated[StepType, Field(description="Calls a tool, asks the caller, or calls a tool for each item.")] = (
        StepType.TOOL
    )
    tool: Annotated[
        ToolName | None,
        Field(description="Tool to call: by the name that clients see, or as `workload.tool`, which may be hidden."),
    ] = None
    arguments: Annotated[JsonObject, Field(description="Arguments of the tool; texts within are templates.")] = Field(
        default_factory=dict
    )
    condition: Annotated[
        Template | None, Field(description="Template of true or false; the step is skipped where it is false.")
    ] = None
    depends_on: Annotated[
        tuple[StepId, ...],
        Field(
            max_length=MAX_DEPENDENCIES,
            description="Steps that must be over before; those that templates read are waited for anyway.",
            json_schema_extra=LIST_SET,
        ),
    ] = ()
    on_error: Annotated[OnError | None, Field(description="What happens when the step fails.")] = None
    timeout: Annotated[
        _Timeout, Field(description="How long the step may take, repetitions included, within the workflow's timeout.")
    ] = 300.0
    default_results: Annotated[
        JsonObject | None, Field(description="Output of the step where it is skipped, or fails and the rest goes on.")
    ] = None
    message: Annotated[Template | None, Field(description="Template of the question of an `elicitation`.")] = None
    response_schema: Annotated[
        JsonObject | None,
        Field(alias="schema", description="JSON Schema of the answer: an object of texts, numbers and truth values."),
    ] = None
    on_decline: Annotated[
        ElicitationResponse, Field(description="What happens when the person declines to answer.")
    ] = ElicitationResponse()
    on_cancel: Annotated[
        ElicitationResponse, Field(description="What happens when the question is dismissed, or its time is up.")
    ] = ElicitationResponse()
    collection: Annotated[
        Template | None, Field(description="Template of the list whose items a `forEach` step goes through.")
    ] = None
    item_var: Annotated[
        Annotated[str, Field(min_length=1, max_length=64, pattern=VARIABLE_PATTERN)],
        Field(description="Name of the item: templates of `step` read it as `forEach.<itemVar>`."),
    ] = ITEM
    max_parallel: Annotated[
        int, Field(ge=1, le=MAX_PARALLEL_ITERATIONS, description="Items of a `forEach` that are worked on at once.")
    ] = 10
    max_iterations: Annotated[
        int, Field(ge=1, le=MAX_ITERATIONS, description="Most items of a `forEach`; the step fails on more.")
    ] = 100
    step: Annotated[InnerStep | None, Field(description="What a `forEach` does with each item.")] = None


class OutputProperty(Model):
    """One property of the structured result."""

    type: Annotated[JsonType, Field(description="Its type.")]
    description: Annotated[str | None, Field(max_length=4096, description="What it is, for clients and models.")] = None
    value: Annotated[Template | None, Field(description="Template of its value.")] = None
    properties: Annotated[
        "dict[PropertyName, OutputProperty]",
        Field(max_length=100, description="Properties of an object that is put together here, in place of `value`."),
    ] = Field(default_factory=dict)
    default: Annotated[Written, Field(description="Its value where the template has none, or none of its type.")] = None


class Output(Model):
    """The structured result of a workflow."""

    properties: Annotated[
        dict[PropertyName, OutputProperty], Field(min_length=1, max_length=100, description="Its properties.")
    ]
    required: Annotated[
        tuple[PropertyName, ...],
        Field(
            max_length=100,
            description="Properties that every result has; without a value for one the call fails.",
            json_schema_extra=LIST_SET,
        ),
    ] = ()


class CompositeAnnotations(AnnotationsOverride):
    """Hints of a composite tool; they may promise less than what follows from its steps, never more."""


class CompositeTool(Model):
    """A tool that runs a workflow over tools of the backends."""

    name: Annotated[
        str,
        Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_.-]+$", description="Name that clients see."),
    ]
    description: Annotated[str, Field(min_length=1, max_length=8192, description="What it does, for models.")]
    parameters: Annotated[
        JsonObject | None, Field(description="JSON Schema of its arguments, of type object; absent takes none.")
    ] = None
    timeout: Annotated[_Timeout, Field(description="How long the whole workflow may take.")] = 1800.0
    failure_mode: Annotated[
        FailureMode, Field(description="What becomes of the workflow when a step without `onError.action` fails.")
    ] = FailureMode.ABORT
    max_parallel: Annotated[int, Field(ge=1, le=MAX_STEPS, description="Steps that run at once.")] = 10
    authorize_steps: Annotated[
        bool,
        Field(description="Whether policies decide on each step too; false asks them about the composite tool alone."),
    ] = True
    annotations: Annotated[
        CompositeAnnotations | None, Field(description="Hints; absent ones follow from the tools of the steps.")
    ] = None
    steps: Annotated[
        tuple[Step, ...],
        Field(min_length=1, max_length=MAX_STEPS, description="What it does.", json_schema_extra=list_map("id")),
    ]
    output: Annotated[
        Output | None, Field(description="The structured result; absent returns that of the last step as it came.")
    ] = None
