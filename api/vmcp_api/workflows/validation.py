"""Everything that keeps a composite tool from running, however it is called."""

from collections.abc import Iterator, Mapping

from vmcp_api.base import Json
from vmcp_api.manifests.problems import Loc
from vmcp_api.spec.composite import CompositeTool, JsonType, OutputProperty
from vmcp_api.templates.decoding import load_json
from vmcp_api.text.suggest import suggest
from vmcp_api.workflows.calls import self_calls
from vmcp_api.workflows.dependencies import dependencies, find_cycles
from vmcp_api.workflows.fault import Fault
from vmcp_api.workflows.readings import waits
from vmcp_api.workflows.scalars import as_type, is_of
from vmcp_api.workflows.schemas import answer_faults, schema_faults
from vmcp_api.workflows.scope import template_faults


def faults(tool: CompositeTool) -> tuple[Fault, ...]:
    """Every fault of a tool whose fields are valid each for itself, with its place relative to the tool."""
    return (
        *_schemas(tool),
        *_defaults(tool),
        *self_calls(tool),
        *_unknown_waits(tool),
        *template_faults(tool),
        *_cycles(tool),
    )


def _schemas(tool: CompositeTool) -> Iterator[Fault]:
    if tool.parameters is not None:
        yield from schema_faults(tool.parameters, ("parameters",))
    for index, step in enumerate(tool.steps):
        if step.response_schema is not None:
            yield from answer_faults(step.response_schema, ("steps", index, "schema"))


def _defaults(tool: CompositeTool) -> Iterator[Fault]:
    """Defaults of the result that are not of their type, so that there would be none."""
    if tool.output is not None:
        yield from _default_faults(tool.output.properties, ("output", "properties"))


def _default_faults(properties: Mapping[str, OutputProperty], loc: Loc) -> Iterator[Fault]:
    for name, part in properties.items():
        default = part.default
        if default is not None and default.value is not None and not _comes_to(default.value, part.type):
            said = f"is no {part.type} and cannot be read as one"
            yield (*loc, name, "default"), f"{said}; write one, or change the type"
        yield from _default_faults(part.properties, (*loc, name, "properties"))


def _comes_to(value: Json, wanted: JsonType) -> bool:
    """As results are made: a text may hold JSON of a list or an object, and scalars are read as each other."""
    if wanted in (JsonType.OBJECT, JsonType.ARRAY) and isinstance(value, str):
        try:
            value = load_json(value)
        except (ValueError, RecursionError):
            return False
    return is_of(value, wanted.value) or as_type(value, wanted.value) is not None


def _unknown_waits(tool: CompositeTool) -> Iterator[Fault]:
    """Steps that are waited for and do not exist."""
    known = [step.id for step in tool.steps]
    for index, step in enumerate(tool.steps):
        for place, name in enumerate(step.depends_on):
            loc: Loc = ("steps", index, "dependsOn", place)
            if name not in known:
                others = [each for each in known if each != step.id]
                yield loc, f"there is no step {name!r}; {suggest(name, others, noun='other steps')}"


def _cycles(tool: CompositeTool) -> Iterator[Fault]:
    places = waits(tool)
    for cycle in find_cycles(dependencies(tool)):
        last, first = cycle[-1], cycle[0]
        said = f"steps wait for each other in a circle: {' → '.join((*cycle, first))}"
        yield places[last][first], f"{said}; let one of them not wait for the next"
