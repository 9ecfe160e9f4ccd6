"""The arguments of a step as the tool's schema declares them.

Templates keep types, but a text around an expression, and whatever a backend gave as text, is a string: scalars become
what the schema wants (ToolHive's definitions rely on it), and nothing else is touched. What does not fit goes to the
tool as it is, which knows best what is wrong with it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import msgspec

from vmcp_api.base import Json
from vmcp_api.workflows.scalars import as_type, is_of
from vmcp_proxy.workflows.acts import Arguments

_MOST_LEVELS: Final = 16
_MOST_KEPT: Final = 4096
_CHOICES: Final = ("anyOf", "oneOf")


@dataclass(frozen=True, slots=True)
class Shape:
    """What a schema says of types: those allowed here (none said: any), of members, and of all items."""

    types: tuple[str, ...] = ()
    members: Mapping[str, "Shape"] = field(default_factory=dict)
    items: "Shape | None" = None


Known: TypeAlias = Shape | None
"""None where a schema leaves nothing to do."""


def fitted(arguments: Arguments, shape: Known) -> Arguments:
    """The arguments with scalars of the types that the shape wants; the given ones where none has to change."""
    if shape is None:
        return arguments
    changed = _fit(arguments, shape)
    return changed if isinstance(changed, dict) else arguments


def _fit(value: Json, shape: Shape) -> Json:
    if isinstance(value, dict):
        return {
            name: _fit(each, shape.members[name]) if name in shape.members else each for name, each in value.items()
        }
    if isinstance(value, list):
        return value if shape.items is None else [_fit(each, shape.items) for each in value]
    if not shape.types or any(is_of(value, name) for name in shape.types):
        return value
    fitting = (as_type(value, name) for name in shape.types)
    return next((each for each in fitting if each is not None), value)


def shape_of(schema: object) -> Known:
    """The shape of a tool's `inputSchema`, which comes from a backend: anything that is no schema says nothing."""
    return _shape(schema, 0)


def _shape(schema: object, level: int) -> Known:
    if not isinstance(schema, dict) or level > _MOST_LEVELS:
        return None
    properties = schema.get("properties")
    members = {}
    for name, part in properties.items() if isinstance(properties, dict) else ():
        shape = _shape(part, level + 1)
        if shape is not None:
            members[name] = shape
    types, items = _types(schema), _shape(schema.get("items"), level + 1)
    return Shape(types, members, items) if types or members or items is not None else None


def _types(schema: Mapping[str, object]) -> tuple[str, ...]:
    """The types that a schema allows, by itself or by its choices (`anyOf` a number and null); none for any type."""
    said = schema.get("type")
    if isinstance(said, str):
        return (said,)
    if isinstance(said, list):
        return tuple(each for each in said if isinstance(each, str))
    for word in _CHOICES:
        choices = schema.get(word)
        if isinstance(choices, list):
            types = [_types(each) if isinstance(each, dict) else () for each in choices]
            return tuple(name for each in types for name in each) if all(types) else ()
    return ()


class _Descriptor(msgspec.Struct, gc=False):
    schema: object = msgspec.field(name="inputSchema", default=None)


_decode: Final = msgspec.json.Decoder(_Descriptor).decode


class InputShapes:
    """The shapes of tools by their descriptors as raw JSON, each read once; forgotten when they are too many."""

    def __init__(self) -> None:
        self._known: Final[dict[bytes, Known]] = {}

    def of(self, descriptor: bytes) -> Known:
        """The shape of the arguments of a tool."""
        if descriptor not in self._known:
            if len(self._known) >= _MOST_KEPT:
                self._known.clear()
            self._known[descriptor] = _read(descriptor)
        return self._known[descriptor]


def _read(descriptor: bytes) -> Known:
    try:
        return shape_of(_decode(descriptor).schema)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
