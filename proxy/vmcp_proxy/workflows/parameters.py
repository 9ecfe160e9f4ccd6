"""The arguments of a composite tool: defaults filled in, then checked by the schema that its author wrote."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import msgspec

from vmcp_api.base import Json
from vmcp_proxy.workflows.acts import Arguments

if TYPE_CHECKING:
    from jsonschema_rs import Validator

Schema: TypeAlias = dict[str, Any]

NO_PARAMETERS: Final[Schema] = {"type": "object", "properties": {}, "additionalProperties": False}
"""The schema of a tool that takes no arguments."""

_UNREADABLE: Final = (ValueError, RecursionError, OverflowError)
"""What the library raises for values that it cannot take over: lone surrogates, too many levels."""


class Invalid(msgspec.Struct, frozen=True, gc=False):
    """Arguments that the schema does not allow: `path` is dotted, empty for the arguments themselves."""

    path: str
    reason: str

    def about(self, root: str) -> str:
        """What is wrong with a value that people know by this name; values are not repeated."""
        return f"{root}.{self.path}: {self.reason}" if self.path else f"{root}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Defaults:
    """The defaults of an object's members, and those within members that are objects."""

    values: Mapping[str, Json]
    members: Mapping[str, "Defaults"]

    def filled(self, value: dict[str, Json]) -> dict[str, Json]:
        """The object with what it lacks; the given one is left alone."""
        result = {**self.values, **value}
        for name, defaults in self.members.items():
            member = result.get(name)
            if isinstance(member, dict):
                result[name] = defaults.filled(member)
        return result


def defaults_of(schema: Schema) -> Defaults:
    """The defaults that a valid schema gives, as deep as its `properties` go."""
    values: dict[str, Json] = {}
    members: dict[str, Defaults] = {}
    for name, part in schema.get("properties", {}).items():
        if not isinstance(part, dict):
            continue
        if "default" in part:
            values[name] = part["default"]
        inner = defaults_of(part)
        if inner.values or inner.members:
            members[name] = inner
    return Defaults(values, members)


@dataclass(frozen=True, slots=True)
class Parameters:
    """What a composite tool takes; `schema` is what clients are told."""

    schema: Schema
    validator: "Validator"
    defaults: Defaults

    def read(self, arguments: Arguments) -> Arguments | Invalid:
        """The arguments that templates see, or the first thing that is wrong with them."""
        filled = self.defaults.filled(arguments)
        return first_fault(self.validator, filled) or filled


def first_fault(validator: "Validator", value: Json) -> Invalid | None:
    """The first thing that a schema does not allow about a value."""
    try:
        error = next(iter(validator.iter_errors(value)), None)
    except _UNREADABLE:
        return Invalid("", "hold what cannot be checked: too many levels, or half a character")
    return None if error is None else Invalid(_dotted(error.instance_path), error.message)


def _dotted(path: list[str | int]) -> str:
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return "".join(parts).removeprefix(".")
