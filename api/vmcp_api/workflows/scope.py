"""Whether what templates read can be there at all when they are evaluated."""

import json
from collections.abc import Iterator, Mapping
from typing import Final

from vmcp_api.manifests.problems import shorten
from vmcp_api.spec.composite import INDEX, CompositeTool
from vmcp_api.text.suggest import suggest
from vmcp_api.workflows.fault import Fault
from vmcp_api.workflows.readings import Path, Reading, is_template, readings
from vmcp_api.workflows.schemas import has_open_properties

RESULT: Final = ("content", "error", "output", "status")
"""What templates see of a step."""


def template_faults(tool: CompositeTool) -> Iterator[Fault]:
    """Templates that cannot be read, or read what is never there."""
    known = _parameters(tool)
    ids = [step.id for step in tool.steps]
    for reading in readings(tool):
        if reading.flaw is not None:
            yield reading.loc, _with_remedy(reading.flaw)
        for said in dict.fromkeys(_flaws(reading, ids, known)):
            yield reading.loc, said
    yield from _literals(tool)


def _flaws(reading: Reading, ids: list[str], known: frozenset[str] | None) -> Iterator[str]:
    for path in reading.paths:
        match path[0]:
            case "params" if known is not None and len(path) > 1 and path[1] not in known:
                hint = f" ({suggest(path[1], known, noun='parameters')})" if known else ""
                said = f"reads the parameter {shorten(path[1])!r}, which is not declared"
                yield f"{said}; declare it under parameters.properties{hint}"
            case "steps":
                yield from _step_flaws(path, reading, ids)
            case "forEach":
                yield from _item_flaws(path, reading)


def _step_flaws(path: Path, reading: Reading, ids: list[str]) -> Iterator[str]:
    own = reading.step.id if reading.step is not None else None
    if len(path) == 1:
        if reading.step is not None and not reading.step.depends_on:
            yield "reads all steps and waits for none; name those that it reads as steps.ID, or in dependsOn"
    elif path[1] == own:
        yield "reads the result of its own step, which is not there yet; read that of another"
    elif path[1] not in ids:
        remedy = suggest(path[1], [each for each in ids if each != own], noun="other steps")
        yield f"reads the step {shorten(path[1])!r}, which does not exist; {remedy}"
    elif len(path) > 2 and path[2] not in RESULT:  # noqa: PLR2004 - steps, the id, and what is read of it
        remedy = suggest(path[2], RESULT, noun="fields")
        yield f"reads {shorten(path[2])!r} of a step, which has output, content, status and error; {remedy}"


def _item_flaws(path: Path, reading: Reading) -> Iterator[str]:
    if not reading.is_inner or reading.step is None:
        yield "reads forEach, which is there only within the step of a forEach; read something else"
        return
    names = (reading.step.item_var, INDEX)
    if len(path) > 1 and path[1] not in names:
        remedy = suggest(path[1], names, noun="names")
        yield f"reads forEach.{shorten(path[1])}, and the item is forEach.{names[0]} (itemVar); {remedy}"


def _parameters(tool: CompositeTool) -> frozenset[str] | None:
    """The names of the parameters; None where there may be others."""
    schema = tool.parameters
    if schema is None:
        return frozenset()
    properties = schema.get("properties", {})
    if schema.get("type") != "object" or not isinstance(properties, Mapping) or has_open_properties(schema):
        return None
    return frozenset(properties) if schema.get("additionalProperties", False) is False else None


def _literals(tool: CompositeTool) -> Iterator[Fault]:
    """Texts that should come to something and are only themselves."""
    for index, step in enumerate(tool.steps):
        if step.condition is not None and not is_template(step.condition) and not _is_truth(step.condition):
            said = "is a text and neither true nor false"
            yield ("steps", index, "condition"), f"{said}; write a template, such as {{{{ params.enabled }}}}"
        if step.collection is not None and not is_template(step.collection) and not _is_list(step.collection):
            said = "is a text and no list"
            yield ("steps", index, "collection"), f"{said}; write a template, such as {{{{ params.items }}}}"


def _is_truth(text: str) -> bool:
    return text.strip().lower() in {"true", "false"}


def _is_list(text: str) -> bool:
    try:
        return isinstance(json.loads(text), list)
    except (ValueError, RecursionError):
        return False


def _with_remedy(flaw: str) -> str:
    return flaw if "; " in flaw else f"{flaw}; correct the template"
