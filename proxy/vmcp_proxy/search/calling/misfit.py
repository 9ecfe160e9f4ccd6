"""What of the arguments of a call does not fit the schema of its tool, as far as that is plain; pure.

The schema is a backend's and the arguments are a client's: what both choose never multiplies, for the check has so
many steps in all and ends with them. What neither says plainly (references, choices, patterns) fits.
"""

from typing import Final

from vmcp_api.base import Json
from vmcp_api.manifests.problems import shorten
from vmcp_api.workflows.scalars import is_of

MOST_STEPS: Final = 5_000
"""Places of the arguments, and types, names and choices of the schema at each of them, that are looked at: a few ms."""

_MOST_LEVELS: Final = 16
_MOST_CHOICES: Final = 100
_MOST_NAMED: Final = 8
_TYPES: Final = frozenset({"string", "number", "integer", "boolean", "object", "array", "null"})
_REFERENCE: Final = "$ref"


def misfit(schema: object, value: Json, most_steps: int = MOST_STEPS) -> str:
    """The first thing that is wrong, with its path and without the value.

    Empty where nothing is, and where nothing was found within so many steps.
    """
    try:
        return _Check(most_steps).misfit(schema, value, ("arguments",))
    except _SpentError:
        return ""


class _SpentError(Exception):
    """There are no more steps."""


class _Check:
    """One look at the arguments, as long as there are steps; a path is only written when something is wrong."""

    def __init__(self, steps: int) -> None:
        self._left = steps

    def misfit(self, schema: object, value: Json, path: tuple[str | int, ...]) -> str:
        if not isinstance(schema, dict) or _REFERENCE in schema or len(path) > _MOST_LEVELS + 1:
            return ""
        types = _types(schema.get("type"))
        self._take(1 + len(types))
        if types and not any(_is_of(value, name) for name in types):
            return f"{_written(path)} is not of type {' or '.join(dict.fromkeys(types))}"
        choices = schema.get("enum")
        if isinstance(choices, list) and len(choices) <= _MOST_CHOICES:
            self._take(len(choices))
            if not _may_be_one_of(value, choices):
                return f"{_written(path)} is none of {', '.join(shorten(str(each)) for each in choices[:_MOST_NAMED])}"
        if isinstance(value, dict):
            return self._in_object(schema, value, path)
        if isinstance(value, list) and isinstance(items := schema.get("items"), dict):
            return next(
                (wrong for at, each in enumerate(value) if (wrong := self.misfit(items, each, (*path, at)))), ""
            )
        return ""

    def _in_object(self, schema: dict[str, object], value: dict[str, Json], path: tuple[str | int, ...]) -> str:
        required = schema.get("required")
        if isinstance(required, list):
            self._take(len(required))
            for name in required:
                if isinstance(name, str) and name not in value:
                    return f"{_written(path)} has no {shorten(name)!r}, which is required"
        properties = schema.get("properties")
        declared = properties if isinstance(properties, dict) else {}
        is_closed = schema.get("additionalProperties") is False and "patternProperties" not in schema
        for name, each in value.items():
            self._take(1)
            if name in declared:
                if wrong := self.misfit(declared[name], each, (*path, name)):
                    return wrong
            elif is_closed:
                return f"{_written(path)} has {shorten(name)!r}, which is not declared"
        return ""

    def _take(self, steps: int) -> None:
        self._left -= steps
        if self._left < 0:
            raise _SpentError


def _types(said: object) -> tuple[str, ...]:
    names = [said] if isinstance(said, str) else said if isinstance(said, list) else []
    # Types of a list differ (JSON Schema, 6.1.1), and of one that nobody knows nothing is wrong.
    if len(names) > len(_TYPES) or not all(isinstance(each, str) and each in _TYPES for each in names):
        return ()
    return tuple(names)


def _may_be_one_of(value: Json, choices: list[Json]) -> bool:
    # To compare objects and lists would take as long as they are: they are told from scalars alone.
    if isinstance(value, dict | list):
        return any(isinstance(each, dict | list) for each in choices)
    return value in choices


def _is_of(value: Json, name: str) -> bool:
    """As JSON Schema has it: 3.0 is an integer."""
    return is_of(value, name) or (name == "integer" and isinstance(value, float) and value.is_integer())


def _written(path: tuple[str | int, ...]) -> str:
    return str(path[0]) + "".join(f"[{each}]" if isinstance(each, int) else f".{shorten(each)}" for each in path[1:])
