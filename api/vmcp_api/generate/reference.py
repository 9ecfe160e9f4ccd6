"""The reference pages: a table of every field of a kind or of the config, from its model."""

from collections.abc import Iterator
from typing import Final

from pydantic import BaseModel

from vmcp_api.config import ProxyConfig
from vmcp_api.generate.reasons import build_page
from vmcp_api.generate.schema import Schema, build_schema
from vmcp_api.kinds import KINDS
from vmcp_api.manifests.problems import format_path
from vmcp_api.rules import RULES
from vmcp_api.text.durations import format_duration
from vmcp_api.text.forms import QUANTITY, describe_form

_SIGNS: Final = {"gt": ">", "ge": "≥", "lt": "<", "le": "≤"}
_RULES: Final = "## Rules\n\nBeyond the bounds above, a manifest is refused when one of these is broken:\n\n"
_HEAD: Final = "| Field | Type | Default | Bounds | Description |\n| --- | --- | --- | --- | --- |\n"


def build_pages() -> dict[str, str]:
    """Every page by file name, as Markdown."""
    pages = {f"{kind.lower()}.md": _kind_page(kind, model) for kind, model in KINDS.items()}
    pages["config.md"] = _config_page(ProxyConfig)
    pages["conditions.md"] = build_page()
    return pages


def _kind_page(kind: str, model: type[BaseModel]) -> str:
    schema = build_schema(model)
    parts = schema["properties"]
    spec = _HEAD + "".join(_rows("spec", parts["spec"]))
    status = _HEAD + "".join(_rows("status", parts["status"]))
    broken = "".join(f"- {_escape(text)}\n" for text in dict.fromkeys(_rule_lines("", schema)))
    rules = f"{_RULES}{broken}\n" if broken else ""
    return (
        f"# {kind}\n\n{schema['description']}\n\n"
        f"`apiVersion: vmcp.dev/v1beta1`, `kind: {kind}`. Generated from the models; do not edit.\n\n"
        f"## Spec\n\n{spec}\n"
        f"{rules}"
        f"## Status\n\n{status}"
    )


def _config_page(model: type[BaseModel]) -> str:
    schema = build_schema(model)
    return (
        f"# Proxy configuration\n\n{schema['description']}\n\n"
        "The operator writes it from the resources; local mode makes it from files. It is a contract\n"
        "between the two halves, not a file to write by hand. Generated from the models; do not edit.\n\n"
        + _HEAD
        + "".join(_rows("", schema))
    )


def _rows(path: str, schema: Schema) -> Iterator[str]:
    required = set(schema.get("required", ()))
    for name, part in schema.get("properties", {}).items():
        place = f"{path}.{name}" if path else name
        cells = (
            f"`{place}`",
            _type(part),
            "required" if name in required else _default(part),
            _bounds(part),
            _escape(part.get("description", "")),
        )
        yield "| " + " | ".join(cells) + " |\n"
        yield from _inner(place, part)


def _rule_lines(path: str, schema: Schema) -> Iterator[str]:
    """What each rule on an object or its fields answers, with the place, outermost first."""
    for rule in RULES:
        if rule.model.__name__ == schema.get("x-model"):
            place = format_path((rule.field, *rule.about) if rule.field else rule.about)
            entry = "[]" if rule.each else ""
            where = ".".join(part for part in (path, place) if part)
            yield f"`{where}{entry}`: {rule.message}"
    for name, part in schema.get("properties", {}).items():
        place = f"{path}.{name}" if path else name
        if isinstance(part.get("items"), dict):
            yield from _rule_lines(f"{place}[]", part["items"])
        if isinstance(part.get("additionalProperties"), dict):
            yield from _rule_lines(f"{place}.<key>", part["additionalProperties"])
        yield from _rule_lines(place, part)


def _inner(path: str, schema: Schema) -> Iterator[str]:
    if "items" in schema:
        path, schema = f"{path}[]", schema["items"]
    elif isinstance(schema.get("additionalProperties"), dict):
        path, schema = f"{path}.<key>", schema["additionalProperties"]
    yield from _rows(path, schema)


def _type(schema: Schema) -> str:
    if "x-duration" in schema:
        return "duration"
    if "enum" in schema:
        return " \\| ".join(f"`{value}`" for value in schema["enum"])
    if "items" in schema:
        return f"list of {_type(schema['items'])}"
    if isinstance(schema.get("additionalProperties"), dict):
        return f"map of {_type(schema['additionalProperties'])}"
    if "x-kubernetes-int-or-string" in schema:
        return "integer or string"
    return str(schema.get("type", "any JSON"))


def _default(schema: Schema) -> str:
    if "x-default" in schema:
        return ", ".join(f"`{each}`" for each in schema["x-default"])
    if "default" not in schema:
        return ""
    value = schema["default"]
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{value}`"


def _bounds(schema: Schema) -> str:
    if "x-duration" in schema:
        return ", ".join(f"{_SIGNS[sign]} {format_duration(value)}" for sign, value in schema["x-duration"].items())
    if schema.get("pattern") == QUANTITY:
        return describe_form(QUANTITY)
    words = [*_size(schema), *_item_size(schema)]
    return "; ".join(words)


def _size(schema: Schema) -> Iterator[str]:
    for low, high, unit in (
        ("minimum", "maximum", ""),
        ("minLength", "maxLength", " characters"),
        ("minItems", "maxItems", " entries"),
        ("minProperties", "maxProperties", " entries"),
    ):
        if low in schema and high in schema:
            yield f"{schema[low]} to {schema[high]}{unit}"
        elif high in schema:
            yield f"≤ {schema[high]}{unit}"
        elif low in schema:
            yield f"≥ {schema[low]}{unit}"
    if "pattern" in schema:
        yield _escape(describe_form(schema["pattern"]))


def _item_size(schema: Schema) -> Iterator[str]:
    inner = schema.get("items") or schema.get("additionalProperties")
    if isinstance(inner, dict) and "properties" not in inner and (words := _bounds(inner)):
        yield f"each: {words}"


def _escape(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
