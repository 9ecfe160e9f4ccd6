"""What of a composite tool may fail though it holds together: results and parameters that may not be there."""

from collections.abc import Iterator, Mapping

from vmcp_api.manifests.problems import shorten
from vmcp_api.spec.composite import CompositeTool, FailureMode, OnError, Step
from vmcp_api.spec.step_types import STEP_KINDS
from vmcp_api.workflows.fault import Fault
from vmcp_api.workflows.readings import Path, Reading, readings
from vmcp_api.workflows.schemas import has_open_properties

_ALWAYS = OnError()


def doubts(tool: CompositeTool) -> tuple[Fault, ...]:
    """Reads of what may not be there when it is read.

    That are results that a step leaves out where it is skipped, or fails while the workflow goes on, and parameters
    that a caller may leave out and that have no default. Whoever looks at the step's `status` first, or at the
    parameter, in the same template or in the condition of its step, is taken to know, and so is a template that tests
    what it reads, or gives it a default.
    """
    without = {step.id: frozenset(step.default_results or {}) for step in tool.steps if _may_have_none(step, tool)}
    found = list(readings(tool))
    guarded = {
        (each.step.id, name) for each in found if each.step and each.loc[-1] == "condition" for name in _asked(each)
    }
    of_results = (
        (reading.loc, _say(path))
        for reading in found
        if not reading.has_default
        for path in reading.paths
        if _is_read_blindly(path, reading, guarded) and path[1] in without and path[3] not in without[path[1]]
    )
    return (*of_results, *_of_parameters(tool, found))


def _of_parameters(tool: CompositeTool, found: list[Reading]) -> Iterator[Fault]:
    optional = _optional(tool)
    if not optional:
        return
    looked_at = {(each.step.id, path[:2]) for each in found if each.step and _is_condition(each) for path in each.paths}
    for reading in found:
        own = reading.step.id if reading.step and not _is_condition(reading) else ""
        tested = {path[:2] for path in reading.guarded} | {name for step, name in looked_at if step == own}
        names = dict.fromkeys(path[:2] for path in reading.paths if path[0] == "params" and path[1:2])
        for name in () if reading.has_default else names:
            if name[1] in optional and name not in tested:
                said = f"reads the parameter {shorten(name[1])!r}, which callers may leave out and which has no default"
                yield reading.loc, f"{said}; give it one, or name it under parameters.required, or test it first"


def _optional(tool: CompositeTool) -> frozenset[str]:
    """The parameters that may be missing when templates are evaluated, as far as that is certain."""
    schema = tool.parameters
    properties = schema.get("properties") if schema and not has_open_properties(schema) else None
    if schema is None or not isinstance(properties, Mapping):
        return frozenset()
    filled = {name for name, part in properties.items() if isinstance(part, Mapping) and "default" in part}
    return frozenset(properties) - filled - frozenset(schema.get("required", ()))


def _is_condition(reading: Reading) -> bool:
    return reading.loc[-1] == "condition" and reading.step is not None and len(reading.loc) == 3  # noqa: PLR2004 - of a step


def _may_have_none(step: Step, tool: CompositeTool) -> bool:
    on_error = step.on_error or _ALWAYS
    goes_on = on_error.outcome(tool.failure_mode) is FailureMode.CONTINUE
    return step.condition is not None or (goes_on and not STEP_KINDS[step.type].has_result)


def _asked(reading: Reading) -> Iterator[str]:
    """The steps whose fate a template asks for."""
    return (path[1] for path in reading.paths if path[0] == "steps" and path[2:3] in (("status",), ("error",)))


def _is_read_blindly(path: Path, reading: Reading, guarded: set[tuple[str, str]]) -> bool:
    if path[0] != "steps" or path[2:3] != ("output",) or len(path) < 4:  # noqa: PLR2004 - steps, id, output, key
        return False
    if any(path[: len(each)] == each for each in reading.guarded if len(each) > 2):  # noqa: PLR2004 - of a step, output
        return False
    own = reading.step.id if reading.step else ""
    return path[1] not in _asked(reading) and (own, path[1]) not in guarded


def _say(path: Path) -> str:
    said = (
        f"reads output.{shorten(path[3])} of the step {path[1]!r}, which may be skipped, or fail while the rest goes on"
    )
    return f"{said}; give it a value in defaultResults of that step"
