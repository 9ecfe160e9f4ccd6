"""Pydantic's errors as problems: camelCase paths, plain words, a remedy."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from pydantic import BaseModel, ValidationError

from vmcp_api.generate.schema import Schema, at_path, schema_of
from vmcp_api.manifests import toolhive
from vmcp_api.manifests.problems import Loc, Problem, Problems, shorten
from vmcp_api.text.durations import format_duration
from vmcp_api.text.forms import say_form
from vmcp_api.text.suggest import suggest

Said: TypeAlias = tuple[str, str]
"""A message and its remedy."""

_TYPES: Final = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
}
_FOUND: Final[Mapping[type, str]] = {
    bool: "true or false",
    str: "text",
    int: "a number",
    float: "a number",
    list: "a list",
    tuple: "a list",
    dict: "a mapping",
    type(None): "nothing",
}
"""What was written where something else was wanted, for places that may hold a secret."""

_CHOICES: Final = frozenset({"enum", "literal_error"})
_NUMBERS: Final = frozenset(
    {"int_type", "int_from_float", "greater_than", "greater_than_equal", "less_than", "less_than_equal"}
)
"""Together with the choices the errors at places that hold no secret: what was written may be shown."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One error of pydantic, and the schema of the whole document."""

    kind: str
    loc: Loc
    schema: Schema
    context: Mapping[str, Any]
    fallback: str
    written: object = None

    @property
    def part(self) -> Schema:
        """The schema at the place of the error; empty where there is none."""
        return at_path(self.schema, self.loc) or {}


def explain(error: ValidationError, model: type[BaseModel]) -> Problems:
    """Every error of a model's validation as a problem, in document order."""
    schema = schema_of(model)
    found = error.errors(include_url=False)
    return Problems(tuple(_problem(details, schema) for details in found if not _is_consequence(details, found)))


def _is_consequence(details: Mapping[str, Any], found: Sequence[Mapping[str, Any]]) -> bool:
    """Whether a list is told to be too short only because entries of it have errors of their own."""
    loc = details["loc"]
    return details["type"] == "too_short" and any(
        len(each["loc"]) > len(loc) and each["loc"][: len(loc)] == loc for each in found
    )


def _problem(details: Mapping[str, Any], schema: Schema) -> Problem:
    kind = details["type"]
    loc = tuple(step for step in details["loc"] if step != "[key]")
    written = details.get("input")
    say = _SAYERS.get(kind, _say_plainly)
    message, remedy = say(Fault(kind, loc, schema, details.get("ctx", {}), str(details["msg"]), written))
    value = _value(kind, written)
    return Problem(message=message, remedy=remedy, loc=loc, value=value)


def _say_plainly(fault: Fault) -> Said:
    return fault.fallback, "see the reference for this field"


def _say_missing(_: Fault) -> Said:
    return "is required", "add it"


def _say_choice(fault: Fault) -> Said:
    options = fault.part.get("enum", [])
    remedy = toolhive.VALUES.get(fault.written) if isinstance(fault.written, str) else None
    return "is not one of the allowed values", remedy or f"write {' or '.join(map(str, options))}"


def _say_form(fault: Fault) -> Said:
    message, _, remedy = say_form(fault.context["pattern"]).partition("; ")
    return message, remedy


def _say_own(fault: Fault) -> Said:
    message, _, remedy = str(fault.context["error"]).partition("; ")
    return message, remedy


def _say_unknown(fault: Fault) -> Said:
    parent, key = at_path(fault.schema, fault.loc[:-1]) or {}, str(fault.loc[-1])
    remedy = toolhive.KEYS.get(parent.get("x-model", ""), {}).get(key)
    return "is an unknown key", remedy or suggest(key, parent.get("properties", {}), noun="keys")


def _say_type(fault: Fault) -> Said:
    wanted = _TYPES[fault.kind]
    if fault.kind == "string_type":
        return f"must be {wanted}", "put the value in quotes"
    if properties := fault.part.get("properties"):
        return f"must be {wanted}", f"write it with the keys {', '.join(list(properties)[:6])}"
    return f"must be {wanted}", f"write {wanted}"


def _number(sign: str, key: str) -> Callable[[Fault], Said]:
    def say(fault: Fault) -> Said:
        bound = fault.context[key]
        shown = format_duration(bound) if "x-duration" in fault.part else bound
        return f"must be {sign} {shown}", f"write a value {sign} {shown}"

    return say


def _length(side: str, key: str) -> Callable[[Fault], Said]:
    def say(fault: Fault) -> Said:
        one, many = ("character", "characters") if fault.kind.startswith("string") else ("entry", "entries")
        number = fault.context[key]
        bound = f"at {side} {number} {one if number == 1 else many}"
        return f"must have {bound}", f"write {bound}"

    return say


def _value(kind: str, written: object) -> str | None:
    if kind in _CHOICES and isinstance(written, str):
        return repr(shorten(written, 40))
    if kind in _NUMBERS and isinstance(written, int | float):
        return str(written).lower()
    if kind in _TYPES or (kind == "value_error" and isinstance(written, int | float)):
        return _FOUND.get(type(written))
    return None


_SAYERS: Final[dict[str, Callable[[Fault], Said]]] = {
    "extra_forbidden": _say_unknown,
    "missing": _say_missing,
    "enum": _say_choice,
    "literal_error": _say_choice,
    "string_pattern_mismatch": _say_form,
    "value_error": _say_own,
    "greater_than": _number("more than", "gt"),
    "greater_than_equal": _number("at least", "ge"),
    "less_than": _number("less than", "lt"),
    "less_than_equal": _number("at most", "le"),
    "too_short": _length("least", "min_length"),
    "too_long": _length("most", "max_length"),
    "string_too_short": _length("least", "min_length"),
    "string_too_long": _length("most", "max_length"),
    **dict.fromkeys(_TYPES, _say_type),
}
