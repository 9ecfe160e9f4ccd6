"""The structured result of a workflow, as its `output` declares it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from vmcp_api.base import Constant, Json
from vmcp_api.spec.composite import JsonType, Output, OutputProperty
from vmcp_api.templates import Budget, Template, TemplateError, TemplateKeyError, compile_template
from vmcp_api.workflows.scalars import as_type, is_of
from vmcp_proxy.workflows.reasons import explained
from vmcp_proxy.workflows.weight import read_json

Scope: TypeAlias = Mapping[str, object]

_CONTAINERS: Final = {JsonType.OBJECT: "object", JsonType.ARRAY: "array"}
_NOT_THERE: Final = object()


class OutputError(Exception):
    """A property has no value: `path` is dotted."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"output.{path}: {reason}")


@dataclass(frozen=True, slots=True)
class Property:
    """A property of the result: made by a template, or put together of `members`; `default` is of its type already."""

    name: str
    type: JsonType
    template: Template | None
    members: tuple["Property", ...]
    default: Constant | None
    is_required: bool = False

    @property
    def paths(self) -> set[tuple[str, ...]]:
        """What its templates read."""
        own = self.template.reads if self.template else ()
        return {*own, *(path for member in self.members for path in member.paths)}

    @classmethod
    def of(cls, name: str, spec: OutputProperty, *, is_required: bool = False) -> "Property":
        """A property without faults (`vmcp_api.workflows.faults`)."""
        template = None if spec.value is None else compile_template(spec.value)
        members = tuple(cls.of(inner, each) for inner, each in spec.properties.items())
        default = spec.default and Constant(_typed(spec.default.value, spec.type, Budget()))
        return cls(name, spec.type, template, members, default, is_required)


@dataclass(frozen=True, slots=True)
class OutputPlan:
    """What is made of the outputs of the steps, and the schema by which clients know it."""

    properties: tuple[Property, ...]
    schema: dict[str, Any]

    @property
    def paths(self) -> set[tuple[str, ...]]:
        """What its templates read."""
        return {path for each in self.properties for path in each.paths}

    @classmethod
    def of(cls, output: Output) -> "OutputPlan":
        """The plan of an output without faults."""
        properties = (
            Property.of(name, spec, is_required=name in output.required) for name, spec in output.properties.items()
        )
        return cls(tuple(properties), output_schema(output))

    def build(self, scope: Scope, budget: Budget, *, is_cut: bool) -> dict[str, Json]:
        """The result; one that `is_cut` short by a person lacks what was not done, where it may.

        Raises:
            OutputError: a property has no value.
        """
        return dict(_built(self.properties, _Making(scope, budget, is_cut), ""))


def output_schema(output: Output) -> dict[str, Any]:
    """The `outputSchema` of a composite tool (JSON Schema)."""
    schema: dict[str, Any] = {"type": "object", "properties": _schemas(output.properties)}
    if output.required:
        schema["required"] = list(output.required)
    return schema


def _schemas(properties: Mapping[str, OutputProperty]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, spec in properties.items():
        schema: dict[str, Any] = {"type": spec.type.value}
        if spec.description:
            schema["description"] = spec.description
        if spec.properties:
            schema["properties"] = _schemas(spec.properties)
        found[name] = schema
    return found


@dataclass(frozen=True, slots=True)
class _Making:
    """What making one result shares: its templates cost together what one may."""

    scope: Scope
    budget: Budget
    is_cut: bool


def _built(properties: tuple[Property, ...], making: _Making, path: str) -> Iterator[tuple[str, Json]]:
    for each in properties:
        here = f"{path}{each.name}"
        if each.template is None:
            yield each.name, dict(_built(each.members, making, f"{here}."))
            continue
        value = _value(each, each.template, making, here)
        if value is not _NOT_THERE:
            yield each.name, value
        elif each.is_required:
            raise OutputError(here, "is required and has no value; give it a default")


def _value(of: Property, template: Template, making: _Making, path: str) -> Any:
    """The value of the template in the declared type, else the default; null counts as no value."""
    try:
        made: Any = template.value(making.scope, making.budget)
        value = None if made is None else _typed(made, of.type, making.budget)
        reason = f"is no {of.type.value}"
    except TemplateError as error:
        made = _NOT_THERE if making.is_cut and isinstance(error, TemplateKeyError) else error
        value, reason = None, explained(error, making.scope)
    if value is not None:
        return value
    if of.default is not None and of.default.value is not None:
        return of.default.value
    if made is None or made is _NOT_THERE:
        return _NOT_THERE
    raise OutputError(path, reason)


def _typed(value: Any, wanted: JsonType, budget: Budget) -> Any:
    """The value in that type, None where it says none: texts may hold JSON, as in ToolHive."""
    if is_of(value, wanted.value):
        return value
    if wanted not in _CONTAINERS:
        return as_type(value, wanted.value)
    read = read_json(value, budget) if isinstance(value, str) else None
    return read if is_of(read, wanted.value) else None
