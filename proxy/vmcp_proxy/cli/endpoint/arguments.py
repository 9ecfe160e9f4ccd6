"""`--arg name=value` pairs become a tool's arguments by the types of its input schema."""

import json
import math
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Final, NoReturn

import click

from vmcp_api.base import Json
from vmcp_api.text.suggest import suggest

_ALTERNATIVES: Final = ("anyOf", "oneOf")


def parse_object(text: str, option: str = "--json") -> dict[str, Json]:
    """The arguments of `--json`, or of another option that takes them whole.

    Raises:
        click.UsageError: the text is no JSON object.
    """
    try:
        value = _read_json(text)
    except OverflowError as error:
        raise click.UsageError(f"{option}: {error}") from None
    except (ValueError, RecursionError) as error:
        place = f" ({error})" if isinstance(error, ValueError) else ""
        example = f"{option} '{{\"key\": 1}}'"
        raise click.UsageError(f"{option} is no JSON{place}; quote it for the shell: {example}.") from None
    if not isinstance(value, dict):
        raise click.UsageError(f"{option} must be an object such as '{{\"key\": 1}}'.")
    return value


def parse_pairs(pairs: Sequence[str], tool: str, schema: Mapping[str, Json]) -> dict[str, Json]:
    """The arguments of `--arg`; text stays text where the schema wants text, the rest is JSON.

    Raises:
        click.UsageError: a pair is none, is unknown to the tool or does not fit; a required one is missing.
    """
    properties = _mapping(schema.get("properties"))
    arguments: dict[str, Json] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals or not name:
            raise click.UsageError("--arg takes name=value.")
        if name in arguments:
            raise click.UsageError(f"--arg {name} is given twice; write a list as JSON: {name}='[1, 2]'.")
        if name not in properties and (properties or schema.get("additionalProperties") is False):
            remedy = suggest(name, properties, noun="arguments")
            raise click.UsageError(f"Tool {tool!r} has no argument {name!r}; {remedy}")
        arguments[name] = _parse_value(name, text, _mapping(properties.get(name)))
    check_needed(f"Tool {tool!r}", required_names(schema), arguments)
    return arguments


def check_needed(what: str, required: Iterable[str], arguments: Container[str]) -> None:
    """Refuses a call without arguments that a tool or a prompt must have.

    Raises:
        click.UsageError: some are missing.
    """
    missing = [name for name in required if name not in arguments]
    if missing:
        example = " ".join(f"--arg {name}=..." for name in missing)
        raise click.UsageError(f"{what} needs {', '.join(missing)}; add {example}")


def type_names(schema: Mapping[str, Json]) -> tuple[str, ...]:
    """The JSON types that a schema allows, as far as it says so plainly."""
    written = schema.get("type")
    if isinstance(written, str):
        return (written,)
    if written is not None:
        return _texts(written)
    alternatives = [_mapping(entry) for key in _ALTERNATIVES for entry in _items(schema.get(key))]
    return tuple(dict.fromkeys(name for entry in alternatives for name in type_names(entry)))


def required_names(schema: Mapping[str, Json]) -> tuple[str, ...]:
    """The properties that an object must have."""
    return _texts(schema.get("required"))


def _parse_value(name: str, text: str, schema: Mapping[str, Json]) -> Json:
    types = type_names(schema)
    if "string" in types:
        return text
    try:
        value = _read_json(text)
    except OverflowError as error:
        raise click.UsageError(f"--arg {name}: {error}") from None
    except (ValueError, RecursionError):
        value = text
    if types and not any(_FITS.get(kind, _fits_all)(value) for kind in types):
        raise click.UsageError(f"--arg {name} must be {' or '.join(types)} (found {text[:60]!r}).")
    return value


def check_text(arguments: Mapping[str, Json]) -> None:
    """Refuses text that cannot be sent: bytes of the command line that are no UTF-8, halves of surrogate pairs.

    Raises:
        click.UsageError: there is some.
    """
    for name, value in arguments.items():
        try:
            json.dumps({name: value}, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise click.UsageError(f"Argument {name!r} holds text that is not valid Unicode.") from None


def _read_json(text: str) -> Json:
    """A value as RFC 8259 has it: Python's reader takes more, and would send null for it.

    Raises:
        OverflowError: a number is too large to be sent; with a message.
        ValueError: the text is no JSON.
    """
    value: Json = json.loads(text, parse_constant=_refuse_constant, parse_float=_read_float)
    return value


def _refuse_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number in JSON")


def _read_float(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise OverflowError(f"the number {text[:60]} is too large to be sent; write it as text")
    return value


def _is_integer(value: Json) -> bool:
    return _is_number(value) and (isinstance(value, int) or (isinstance(value, float) and value.is_integer()))


def _is_number(value: Json) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _fits_all(value: Json) -> bool:
    del value
    return True


_FITS: Final[Mapping[str, Callable[[Json], bool]]] = MappingProxyType(
    {
        "integer": _is_integer,
        "number": _is_number,
        "boolean": lambda value: isinstance(value, bool),
        "array": lambda value: isinstance(value, list),
        "object": lambda value: isinstance(value, dict),
        "null": lambda value: value is None,
    }
)


def _mapping(value: Json) -> Mapping[str, Json]:
    return value if isinstance(value, dict) else {}


def _items(value: Json) -> list[Json]:
    return value if isinstance(value, list) else []


def _texts(value: Json) -> tuple[str, ...]:
    return tuple(entry for entry in _items(value) if isinstance(entry, str))
