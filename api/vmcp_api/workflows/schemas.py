"""JSON Schemas that people write: those of arguments, and those of answers to questions.

They are checked and used without asking anybody: what they refer to stands in them, their patterns take linear time,
and what they unroll to is bounded.
"""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from vmcp_api.base import Json
from vmcp_api.manifests.problems import Loc, shorten
from vmcp_api.workflows.fault import Fault
from vmcp_api.workflows.patterns import explain_pattern

if TYPE_CHECKING:
    from jsonschema_rs import ValidationError, Validator

Schema: TypeAlias = Mapping[str, Any]

MAX_NODES: Final = 20_000
"""Places of a schema with its references followed: what a check of one value may cost."""

_REFERENCES: Final = frozenset({"$ref", "$dynamicRef", "$recursiveRef"})
_IDS: Final = frozenset({"$id", "id"})
_DATA: Final = frozenset({"const", "default", "enum", "examples"})
_NAMING: Final = frozenset({"$defs", "definitions", "dependentSchemas", "patternProperties", "properties"})
_OPEN: Final = frozenset({"$ref", "allOf", "anyOf", "oneOf", "if", "patternProperties", "dependentSchemas"})
_OBJECT: Final = "write type: object, and each field under properties"
_TYPES: Final = ("string", "number", "integer", "boolean", "object", "array", "null")
_SCALARS: Final = _TYPES[:4]


class SchemaError(ValueError):
    """A schema that cannot be used; the text says ``what is wrong; what to do``, about the place `loc` within it."""

    def __init__(self, reason: str, loc: Loc = ()) -> None:
        super().__init__(reason)
        self.loc = loc


def build_validator(schema: Schema) -> "Validator":
    """What checks values by a schema (draft 2020-12 unless `$schema` names another).

    Raises:
        SchemaError: the schema is none, or refers to something elsewhere.
    """
    # Imported where somebody has a schema: most commands never see one.
    from jsonschema_rs import RegexOptions, ValidationError, validator_for  # noqa: PLC0415

    _check_size(schema)
    try:
        return validator_for(dict(schema), retriever=_refuse, pattern_options=RegexOptions(), mask="the value")
    except ValidationError as error:
        raise SchemaError(_explain(error, schema), tuple(error.instance_path)) from error
    except ValueError as error:
        raise SchemaError(f"is no JSON Schema: {shorten(str(error), 200)}; make it simpler") from error


def has_open_properties(schema: Schema) -> bool:
    """Whether a schema has words by which it may have, or require, properties that it does not list."""
    return not _OPEN.isdisjoint(schema)


def schema_faults(schema: Schema, loc: Loc) -> Iterator[Fault]:
    """What keeps a schema from describing the arguments of a tool."""
    if schema.get("type") != "object":
        yield loc, f"is no schema of an object; {_OBJECT}"
        return
    try:
        validator = build_validator(schema)
    except SchemaError as error:
        yield (*loc, *error.loc), str(error)
    else:
        yield from _default_faults(validator, schema, loc)


def _default_faults(validator: "Validator", schema: Schema, loc: Loc) -> Iterator[Fault]:
    """Defaults that the schema does not allow: whoever leaves the argument out could not call the tool."""
    for path in _defaults(schema, ()):
        place: Loc = tuple(part for name in path for part in ("properties", name))
        value = _at(schema, (*place, "default"))
        for name in reversed(path):
            value = {name: value}
        # What else an object lacks is somebody else's to give.
        wrong = next(
            (each for each in validator.iter_errors(value) if tuple(each.instance_path[: len(path)]) == path), None
        )
        if wrong is not None:
            said = f"does not fit its own schema: {shorten(wrong.message, 200)}"
            yield (*loc, *place, "default"), f"{said}; correct it, or the schema"


def _defaults(schema: Schema, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """The names that lead to each argument with a default, as deep as `properties` go."""
    properties = schema.get("properties")
    for name, part in properties.items() if isinstance(properties, Mapping) else ():
        if isinstance(part, Mapping):
            if "default" in part:
                yield (*path, name)
            yield from _defaults(part, (*path, name))


def _at(schema: Any, place: Loc) -> Any:
    for key in place:
        schema = schema[key]
    return schema


def answer_faults(schema: Schema, loc: Loc) -> Iterator[Fault]:
    """What keeps a schema from describing a form that clients can show (MCP, elicitation: flat, of simple values)."""
    found = tuple(schema_faults(schema, loc))
    yield from found
    properties = schema.get("properties", {})
    if found or not isinstance(properties, Mapping):
        return
    for name, part in properties.items():
        if not _is_simple(part):
            said = "is no simple value, and clients can ask for nothing else"
            yield (*loc, "properties", name), f"{said}; write type string, number, integer or boolean, or enum"


def _is_simple(part: Json) -> bool:
    """Whether it is a PrimitiveSchemaDefinition: a text, number or truth value, or a choice of one or several texts."""
    if not isinstance(part, Mapping):
        return False
    if part.get("type") == "array":
        items = part.get("items")
        return isinstance(items, Mapping) and bool({"enum", "anyOf", "oneOf"} & items.keys())
    return part.get("type") in _SCALARS or ("type" not in part and bool({"enum", "oneOf"} & part.keys()))


def _explain(error: "ValidationError", schema: Schema) -> str:
    """What is wrong with a schema, where the library's own words name schemas of schemas."""
    last = error.instance_path[-1:]
    if last == ["type"]:
        return f"names no type of JSON Schema; write {', '.join(_TYPES)}, or a list of them"
    if last == ["pattern"]:
        return explain_pattern(_at(schema, tuple(error.instance_path)))
    if error.instance_path[-2:-1] == ["patternProperties"]:
        return explain_pattern(last[0])
    return f"is no JSON Schema: {shorten(error.message, 200)}; correct it (https://json-schema.org)"


def _refuse(uri: str) -> Any:
    raise ValueError(f"{uri} is not looked up")


def _check_size(schema: Schema) -> None:
    """Refuse what has to be looked up elsewhere, refers to itself, or unrolls to too much.

    Without that 30 definitions that each refer twice to the next cost a billion checks of one value.
    """
    try:
        _Scale(schema).weigh(schema, ())
    except RecursionError:
        raise SchemaError("is nested too deeply; make it simpler") from None


class _Scale:
    """Counts the places of a schema as often as references lead there."""

    def __init__(self, root: Schema) -> None:
        self._root = root
        self._weights: dict[str, int] = {}

    def weigh(self, node: Json | Schema, loc: Loc, *, holds_names: bool = False) -> int:
        """The places from a node on; in one that `holds_names` the keys are no words of JSON Schema."""
        total = 1
        if isinstance(node, list):
            total += sum(self.weigh(part, (*loc, index)) for index, part in enumerate(node))
        elif isinstance(node, Mapping):
            for key, part in node.items():
                total += self._weigh_part(key, part, (*loc, key), holds_names=holds_names)
        if total > MAX_NODES:
            raise SchemaError(f"is too large with its references followed (over {MAX_NODES} places); simplify it")
        return total

    def _weigh_part(self, key: str, part: Json, loc: Loc, *, holds_names: bool) -> int:
        if holds_names:
            return self.weigh(part, loc)
        if key in _REFERENCES and isinstance(part, str):
            return self._follow(part, loc)
        if key in _IDS and isinstance(part, str) and len(loc) > 1:
            raise SchemaError("is an identifier within a schema; remove it", loc)
        return 1 if key in _DATA else self.weigh(part, loc, holds_names=key in _NAMING)

    def _follow(self, pointer: str, loc: Loc) -> int:
        if pointer not in self._weights:
            self._weights[pointer] = 0
            self._weights[pointer] = self.weigh(*self._target(pointer, loc))
        elif not self._weights[pointer]:
            raise SchemaError("refers to what it stands in; write out as many levels as are needed", loc)
        return self._weights[pointer]

    def _target(self, pointer: str, loc: Loc) -> tuple[Json, Loc]:
        if not pointer.startswith("#/"):
            said = f"refers to {shorten(pointer)!r}"
            raise SchemaError(f"{said}; refer to another place of the same schema, as #/$defs/NAME", loc)
        found: Any = self._root
        place: Loc = ()
        for step in pointer[2:].split("/"):
            key = step.replace("~1", "/").replace("~0", "~")
            if isinstance(found, list) and key.isdecimal() and int(key) < len(found):
                found, place = found[int(key)], (*place, int(key))
            else:
                found, place = (found.get(key) if isinstance(found, Mapping) else None), (*place, key)
            if found is None:
                raise SchemaError(f"refers to {shorten(pointer)!r}, which is not there; define it", loc)
        return found, place
