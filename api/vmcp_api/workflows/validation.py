"""Everything that keeps a composite tool from running, however it is called."""

from collections.abc import Iterator

from vmcp_api.manifests.problems import Loc
from vmcp_api.spec.composite import CompositeTool, Step
from vmcp_api.text.suggest import suggest
from vmcp_api.workflows.dependencies import dependencies, find_cycles
from vmcp_api.workflows.fault import Fault
from vmcp_api.workflows.schemas import answer_faults, schema_faults


def faults(tool: CompositeTool) -> tuple[Fault, ...]:
    """Every fault of a tool whose fields are valid each for itself, with its place relative to the tool."""
    return (*_schemas(tool), *_waits(tool), *_cycles(tool))


def _schemas(tool: CompositeTool) -> Iterator[Fault]:
    if tool.parameters is not None:
        yield from schema_faults(tool.parameters, ("parameters",))
    for index, step in enumerate(tool.steps):
        if step.response_schema is not None:
            yield from answer_faults(step.response_schema, ("steps", index, "schema"))


def _waits(tool: CompositeTool) -> Iterator[Fault]:
    """Steps that are waited for and do not exist."""
    known = [step.id for step in tool.steps]
    for index, step in enumerate(tool.steps):
        for place, name in enumerate(step.depends_on):
            loc: Loc = ("steps", index, "dependsOn", place)
            if name == step.id:
                yield loc, "the step waits for itself; remove it"
            elif name not in known:
                others = [each for each in known if each != step.id]
                yield loc, f"there is no step {name!r}; {suggest(name, others, noun='steps')}"


def _cycles(tool: CompositeTool) -> Iterator[Fault]:
    places = {step.id: index for index, step in enumerate(tool.steps)}
    for cycle in find_cycles(dependencies(tool)):
        last, first = cycle[-1], cycle[0]
        round_trip = " → ".join((*cycle, first))
        loc = _wait_loc(tool.steps[places[last]], places[last], first)
        yield loc, f"steps wait for each other in a circle: {round_trip}; let one of them not wait for the next"


def _wait_loc(step: Step, index: int, name: str) -> Loc:
    """Where the wait is said; the whole step where its templates say it by what they read."""
    if name not in step.depends_on:
        return "steps", index
    return ("steps", index, "dependsOn", step.depends_on.index(name))
