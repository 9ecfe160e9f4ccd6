"""Every template of a composite tool, with its place, and what it reads."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from vmcp_api.base import Json, JsonObject
from vmcp_api.manifests.problems import Loc
from vmcp_api.spec.composite import CompositeTool, OutputProperty, Step
from vmcp_api.spec.step_types import STEP_KINDS, templates_of
from vmcp_api.text.remembered import Remembered, digest_of

Path: TypeAlias = tuple[str, ...]
"""Keys from the root of what templates see, such as ``("steps", "a", "output")``."""

_MARKS: Final = ("{{", "{%")

_Read: TypeAlias = tuple[tuple[Path, ...], frozenset[Path], str | None]
"""What a template reads, what of it may be lacking, and why it cannot be read."""

_KNOWN: Final[Remembered[bytes, _Read]] = Remembered(1024)


@dataclass(frozen=True, slots=True)
class Reading:
    """One template: where it stands, and the paths that it reads in order, or why it cannot be read.

    `step` is the one that it belongs to, None for those of the result; `is_inner` says that it is evaluated for each
    item of a collection, `has_default` that there is a value for where it reads what is not there. `guarded` are those
    of the paths whose lack it copes with.
    """

    loc: Loc
    step: Step | None
    paths: tuple[Path, ...] = ()
    flaw: str | None = None
    is_inner: bool = False
    has_default: bool = False
    guarded: frozenset[Path] = frozenset()


def readings(tool: CompositeTool) -> Iterator[Reading]:
    """The templates of a tool, in the order of the file; texts without any are left out."""
    for index, step in enumerate(tool.steps):
        yield from _of_step(step, ("steps", index))
    if tool.output is not None:
        yield from _of_properties(tool.output.properties, ("output", "properties"))


def is_template(text: str) -> bool:
    """Whether a text is more than itself."""
    return any(mark in text for mark in _MARKS)


def waits(tool: CompositeTool) -> dict[str, dict[str, Loc]]:
    """By the id of each step, every step that it names, and where it does first; they may not exist."""
    found: dict[str, dict[str, Loc]] = {step.id: {} for step in tool.steps}
    for index, step in enumerate(tool.steps):
        for place, name in enumerate(step.depends_on):
            found[step.id].setdefault(name, ("steps", index, "dependsOn", place))
    for reading in readings(tool):
        if reading.step is not None:
            for name in named_steps(reading.paths):
                found[reading.step.id].setdefault(name, reading.loc)
    return found


def named_steps(paths: tuple[Path, ...]) -> Iterator[str]:
    """The ids of the steps that are read."""
    return (path[1] for path in paths if path[0] == "steps" and len(path) > 1)


def _of_step(step: Step, loc: Loc) -> Iterator[Reading]:
    for field, text in templates_of(step):
        yield from _read(text, (*loc, field), step)
    yield from _of_arguments(step.arguments, (*loc, "arguments"), step, is_inner=False)
    if (inner := STEP_KINDS[step.type].inner(step)) is not None:
        yield from _of_arguments(inner.arguments, (*loc, "step", "arguments"), step, is_inner=True)


def _of_properties(properties: Mapping[str, OutputProperty], loc: Loc) -> Iterator[Reading]:
    for name, part in properties.items():
        if part.value is not None:
            for reading in _read(part.value, (*loc, name, "value"), None):
                yield replace(reading, has_default=part.default is not None)
        yield from _of_properties(part.properties, (*loc, name, "properties"))


def _of_arguments(arguments: JsonObject, loc: Loc, step: Step, *, is_inner: bool) -> Iterator[Reading]:
    found = tuple(_of_json(arguments, loc, step, is_inner=is_inner))
    yield from found
    if arguments and not any(each.flaw for each in found):
        # Each for itself can be read; what is wrong with all of them together is known to whoever evaluates them.
        from vmcp_api.templates import TemplateError, compile_tree  # noqa: PLC0415

        try:
            compile_tree(arguments)
        except TemplateError as error:
            yield Reading(loc, step, flaw=str(error), is_inner=is_inner)


def _of_json(value: Json, loc: Loc, step: Step, *, is_inner: bool) -> Iterator[Reading]:
    if isinstance(value, str):
        yield from _read(value, loc, step, is_inner=is_inner)
    elif isinstance(value, list):
        for index, part in enumerate(value):
            yield from _of_json(part, (*loc, index), step, is_inner=is_inner)
    elif isinstance(value, dict):
        for key, part in value.items():
            yield from _of_json(part, (*loc, key), step, is_inner=is_inner)


def _read(text: str, loc: Loc, step: Step | None, *, is_inner: bool = False) -> Iterator[Reading]:
    if is_template(text):
        # Everybody who judges a tool reads it again, and a long template takes a second.
        paths, guarded, flaw = _KNOWN.get(digest_of(text), lambda: _compiled(text))
        yield Reading(loc, step, paths, flaw, is_inner=is_inner, guarded=guarded)


def _compiled(text: str) -> _Read:
    # Imported where somebody has a template: most commands never see one.
    from vmcp_api.templates import TemplateError, compile_template  # noqa: PLC0415
    from vmcp_api.templates.guards import guarded_paths  # noqa: PLC0415
    from vmcp_api.workflows.hyphens import explain_hyphen  # noqa: PLC0415

    try:
        template = compile_template(text)
    except TemplateError as error:
        return (), frozenset(), explain_hyphen(text) or str(error)
    flaw = explain_hyphen(text, is_read=True)
    return () if flaw else tuple(sorted(template.reads)), guarded_paths(template), flaw
