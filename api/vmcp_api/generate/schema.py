"""One plain schema per model: references put in place, nullable and one-value forms made simple.

The CRDs, the reference tables and the messages for unknown keys are all read from it. Beside JSON Schema it
has ``x-duration`` (bounds in seconds), ``x-model`` (name of the class that an object comes from) and ``x-default`` (a
list that counts where none is written: the API server would write it into the resource). A model within itself is an
open object with ``x-recursive``, its name: a CRD has no references, and ``at_path`` goes on in the outer one.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any, Final, TypeAlias

from pydantic import BaseModel

from vmcp_api.text.durations import MAX_LENGTH, PATTERN, format_duration

Schema: TypeAlias = dict[str, Any]
"""A JSON Schema as plain data."""

_BOUNDS: Final = ("gt", "ge", "lt", "le")
_OPEN: Final[Schema] = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
_DROPPED: Final = ("title", "$defs", "propertyNames")


def build_schema(model: type[BaseModel]) -> Schema:
    """The schema of a model as documents see it (camelCase).

    Raises:
        TypeError: the model has a union that one schema cannot say.
    """
    raw = model.model_json_schema(by_alias=True, mode="validation")
    return _plain({**raw, "x-model": model.__name__}, raw.get("$defs", {}))


@cache
def schema_of(model: type[BaseModel]) -> Schema:
    """The same to read only, and kept: to build one takes far longer than all else about a bad document."""
    return build_schema(model)


def at_path(schema: Schema, loc: tuple[str | int, ...]) -> Schema | None:
    """The part of a plain schema that a place in a document falls under, if there is one."""
    outer: dict[str, Schema] = {}
    for step in loc:
        outer[schema.get("x-model", "")] = schema
        if isinstance(step, int):
            following = schema.get("items")
        else:
            following = schema.get("properties", {}).get(step, schema.get("additionalProperties"))
        if not isinstance(following, dict):
            return None
        schema = outer[following["x-recursive"]] if "x-recursive" in following else following
    return schema


def _plain(schema: Schema, defs: Mapping[str, Schema]) -> Schema:
    schema, defs = _without_reference(schema, defs)
    if "anyOf" in schema:
        return _plain(_without_null(schema), defs)
    if schema.pop("x-duration", False):
        return _duration(schema)
    result = {key: value for key, value in schema.items() if key not in _DROPPED}
    if "const" in result:
        result["enum"] = [result.pop("const")]
    if forms := result.pop("patternProperties", None):
        (result["additionalProperties"],) = forms.values()
    if "properties" in result:
        result["properties"] = {name: _plain(part, defs) for name, part in result["properties"].items()}
    for key in ("items", "additionalProperties"):
        if isinstance(result.get(key), dict):
            result[key] = _plain(result[key], defs)
    return _scalar_default(result)


def _without_reference(schema: Schema, defs: Mapping[str, Schema]) -> tuple[Schema, Mapping[str, Schema]]:
    """The schema in the place of its reference, and what may be referred to within it."""
    schema = dict(schema)
    while reference := schema.pop("$ref", None):
        name = reference.rsplit("/", 1)[1]
        found = {**defs[name], "x-model": name} if name in defs else {**_OPEN, "x-recursive": name}
        schema = {**found, **schema}
        defs = {each: part for each, part in defs.items() if each != name}
    return schema, defs


def _without_null(schema: Schema) -> Schema:
    options = [option for option in schema["anyOf"] if option.get("type") != "null"]
    if len(options) != 1:
        raise TypeError(f"a schema may not offer {len(options)} types: {schema}")
    rest = {key: value for key, value in schema.items() if key != "anyOf"}
    return {**options[0], **rest}


def _duration(schema: Schema) -> Schema:
    bounds = {key: schema[key] for key in _BOUNDS if key in schema}
    kept = {key: value for key, value in schema.items() if key not in {*_BOUNDS, *_DROPPED}}
    default = kept.pop("default", None)
    result = {**kept, "type": "string", "pattern": PATTERN, "maxLength": MAX_LENGTH, "x-duration": bounds}
    if default is not None:
        result["default"] = default if isinstance(default, str) else format_duration(default)
    return result


def _scalar_default(schema: Schema) -> Schema:
    if not isinstance(default := schema.get("default"), str | int | float):
        schema.pop("default", None)
    if isinstance(default, list) and default:
        schema["x-default"] = default
    return schema
