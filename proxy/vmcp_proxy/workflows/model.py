"""A composite tool compiled once for a config: nothing is parsed while it runs."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from vmcp_api.base import Json
from vmcp_api.spec.composite import CompositeTool, FailureMode, InnerStep, OnError, ResponseAction, Step, StepType
from vmcp_api.templates import Template, Tree, compile_template, compile_tree
from vmcp_api.workflows import dependencies
from vmcp_api.workflows.schemas import build_validator
from vmcp_proxy.workflows.output import OutputPlan
from vmcp_proxy.workflows.parameters import NO_PARAMETERS, Parameters, defaults_of
from vmcp_proxy.workflows.results import Reads, is_block
from vmcp_proxy.workflows.schedule import Plan, Verdict

if TYPE_CHECKING:
    from jsonschema_rs import Validator

Paths: TypeAlias = Iterable[tuple[str, ...]]

_CLOCKS: Final = frozenset({"workflow", "timestamp"})
_AS_IT_CAME: Final = "as it came"
_NOTHING: Final = OnError()

NO_ANSWER: Final[dict[str, Any]] = {"type": "object", "properties": {}}
"""The schema of a question that wants nothing but a yes."""

_AFTER: Final = {
    ResponseAction.SKIP_REMAINING: Verdict.SKIP_REMAINING,
    ResponseAction.ABORT: Verdict.ABORT,
    ResponseAction.CONTINUE: Verdict.GO_ON,
}


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call of a tool: `retries` after the first attempt, the first of them after at most `delay` seconds."""

    tool: str
    arguments: Tree
    retries: int
    delay: float


@dataclass(frozen=True, slots=True)
class ForEach:
    """The same call for each item of a collection: templates see it as `forEach.<item>`."""

    collection: Template
    item: str
    parallel: int
    most: int
    call: ToolCall


@dataclass(frozen=True, slots=True)
class Question:
    """What a person is asked, and what it means that there is no answer."""

    message: Template
    schema: dict[str, Any]
    validator: "Validator"
    declined: Verdict
    cancelled: Verdict


Act: TypeAlias = ToolCall | ForEach | Question


@dataclass(frozen=True, slots=True)
class WorkflowStep:
    """A step: `needs` are the steps it waits for, `failed` what its failure means for the others.

    `reads` is what templates anywhere read of it; `needs_clock` where its own read what changes during a run.
    """

    id: str
    type: StepType
    act: Act
    condition: Template | None
    seconds: float
    failed: Verdict
    defaults: Mapping[str, Json]
    needs: tuple[str, ...]
    reads: Reads
    needs_clock: bool


@dataclass(frozen=True, slots=True)
class Workflow:
    """A composite tool that can be run; `tools` are the names that its steps call, in order, each once."""

    name: str
    seconds: float
    parallel: int
    steps: tuple[WorkflowStep, ...]
    plan: Plan
    parameters: Parameters
    output: OutputPlan | None
    tools: tuple[str, ...]


def compile_workflow(tool: CompositeTool) -> Workflow:
    """The workflow of a composite tool without faults (`vmcp_api.workflows.faults`).

    Raises:
        TemplateError, SchemaError: it has some.
    """
    output = None if tool.output is None else OutputPlan.of(tool.output)
    parts = tuple(_compile(step) for step in tool.steps)
    paths = {path for part in parts for path in part.paths} | (_made_of(tool) if output is None else output.paths)
    waits = dependencies(tool)
    places = {step.id: place for place, step in enumerate(tool.steps)}
    return Workflow(
        name=tool.name,
        seconds=tool.timeout,
        parallel=tool.max_parallel,
        steps=tuple(
            _step(step, part, tool.failure_mode, tuple(each for each in places if each in waits[step.id]), paths)
            for step, part in zip(tool.steps, parts, strict=True)
        ),
        plan=Plan.of([[places[need] for need in waits[step.id]] for step in tool.steps]),
        parameters=_parameters(tool),
        output=output,
        tools=tuple(dict.fromkeys(name for part in parts for name in _called(part.act))),
    )


@dataclass(frozen=True, slots=True)
class _Part:
    """What a step does and when, and the paths that its templates read."""

    act: Act
    condition: Template | None
    paths: frozenset[tuple[str, ...]]


def _compile(step: Step) -> _Part:
    act, paths = _act(step)
    condition = None if step.condition is None else compile_template(step.condition)
    return _Part(act, condition, paths | (condition.reads if condition else frozenset()))


def _act(step: Step) -> tuple[Act, frozenset[tuple[str, ...]]]:
    match step.type:
        case StepType.TOOL:
            call = _call(step.tool or "", step.arguments, step.on_error)
            return call, call.arguments.reads
        case StepType.FOR_EACH:
            inner = step.step or InnerStep(tool="")
            each = _call(inner.tool, inner.arguments, inner.on_error or step.on_error)
            collection = compile_template(step.collection or "")
            act = ForEach(collection, step.item_var, step.max_parallel, step.max_iterations, each)
            return act, collection.reads | each.arguments.reads
        case StepType.ELICITATION:
            message = compile_template(step.message or "")
            schema = step.response_schema or NO_ANSWER
            answers = _AFTER[step.on_decline.action], _AFTER[step.on_cancel.action]
            return Question(message, schema, build_validator(schema), *answers), message.reads


def _call(tool: str, arguments: dict[str, Any], on_error: OnError | None) -> ToolCall:
    said = on_error or _NOTHING
    return ToolCall(tool, compile_tree(arguments, "arguments"), said.retries, said.retry_delay)


def _step(step: Step, part: _Part, mode: FailureMode, needs: tuple[str, ...], paths: Paths) -> WorkflowStep:
    goes_on = (step.on_error or _NOTHING).outcome(mode) is FailureMode.CONTINUE
    return WorkflowStep(
        id=step.id,
        type=step.type,
        act=part.act,
        condition=part.condition,
        seconds=step.timeout,
        failed=Verdict.GO_ON if goes_on else Verdict.ABORT,
        defaults=step.default_results or {},
        needs=needs,
        reads=_reads(step.id, paths),
        needs_clock=any(path[0] in _CLOCKS for path in part.paths),
    )


def _reads(step: str, paths: Paths) -> Reads:
    """What these paths read of a step: one that ends before a name reads all below it.

    Who reads a block by the output is told of the content where the output has no such member.
    """
    of_step = [path[2:4] for path in paths if path[0] == "steps" and path[1:2] in ((), (step,))]
    return Reads(
        output=any(part[:1] in ((), ("output",)) for part in of_step),
        content=any(part[:1] in ((), ("content",)) or any(map(is_block, part[1:])) for part in of_step),
        raw=(_AS_IT_CAME,) in of_step,
    )


def _made_of(tool: CompositeTool) -> set[tuple[str, ...]]:
    """What may become the result of a workflow without `output`: a call's result is returned as it came."""
    return {("steps", step.id, _AS_IT_CAME if step.type is StepType.TOOL else "output") for step in tool.steps}


def _parameters(tool: CompositeTool) -> Parameters:
    schema = NO_PARAMETERS if tool.parameters is None else tool.parameters
    return Parameters(schema, build_validator(schema), defaults_of(schema))


def _called(act: Act) -> tuple[str, ...]:
    match act:
        case ToolCall():
            return (act.tool,)
        case ForEach():
            return (act.call.tool,)
    return ()
