"""What of the arguments of a call does not fit the schema of its tool, as far as that is plain; pure.

The schema is a backend's and the arguments are a client's: each place of the arguments is looked at once, and of the
schema only what cannot cost more. What neither says plainly (references, choices, patterns) fits.
"""

from collections.abc import Mapping
from typing import Final

from vmcp_api.base import Json
from vmcp_api.manifests.problems import shorten
from vmcp_api.workflows.scalars import is_of

_MOST_LEVELS: Final = 16
_MOST_CHOICES: Final = 100
_MOST_NAMED: Final = 8
_TYPES: Final = frozenset({"string", "number", "integer", "boolean", "object", "array", "null"})
_REFERENCE: Final = "$ref"


def misfit(schema: object, value: Json, path: str = "arguments", level: int = 0) -> str:
    """The first thing that is wrong, with its path and without the value; empty where nothing is."""
    if not isinstance(schema, Mapping) or _REFERENCE in schema or level > _MOST_LEVELS:
        return ""
    types = _types(schema.get("type"))
    if types and not any(_is_of(value, name) for name in types):
        return f"{path} is not of type {' or '.join(types)}"
    choices = schema.get("enum")
    if isinstance(choices, list) and len(choices) <= _MOST_CHOICES and value not in choices:
        return f"{path} is none of {', '.join(shorten(str(each)) for each in choices[:_MOST_NAMED])}"
    if isinstance(value, dict):
        return _in_object(schema, value, path, level)
    if isinstance(value, list):
        return next(
            (
                wrong
                for at, each in enumerate(value)
                if (wrong := misfit(schema.get("items"), each, f"{path}[{at}]", level + 1))
            ),
            "",
        )
    return ""


def _in_object(schema: Mapping[str, object], value: Mapping[str, Json], path: str, level: int) -> str:
    required = schema.get("required")
    for name in required if isinstance(required, list) else ():
        if isinstance(name, str) and name not in value:
            return f"{path} has no {shorten(name)!r}, which is required"
    properties = schema.get("properties")
    declared = properties if isinstance(properties, Mapping) else {}
    is_closed = schema.get("additionalProperties") is False and "patternProperties" not in schema
    for name, each in value.items():
        if name in declared:
            if wrong := misfit(declared[name], each, f"{path}.{shorten(name)}", level + 1):
                return wrong
        elif is_closed:
            return f"{path} has {shorten(name)!r}, which is not declared"
    return ""


def _types(said: object) -> tuple[str, ...]:
    names = (said,) if isinstance(said, str) else said if isinstance(said, list) else ()
    # Of a type that nobody knows nothing is wrong.
    return tuple(each for each in names if isinstance(each, str)) if all(each in _TYPES for each in names) else ()


def _is_of(value: Json, name: str) -> bool:
    """As JSON Schema has it: 3.0 is an integer."""
    return is_of(value, name) or (name == "integer" and isinstance(value, float) and value.is_integer())
