"""What the settings say about a tool instead of what its backend says."""

from collections.abc import Container, Mapping
from typing import Final

import msgspec

from vmcp_api.spec.aggregation import AnnotationsOverride, ArgumentOverride, ToolOverride
from vmcp_proxy.core.catalog.arguments import encode_json
from vmcp_proxy.protocol.surrogates import decode_items, decode_members, encode_members

_encode: Final = msgspec.json.Encoder().encode

_decode_text: Final = msgspec.json.Decoder(str).decode

_HINTS: Final = (
    ("title", "title"),
    ("readOnlyHint", "read_only_hint"),
    ("destructiveHint", "destructive_hint"),
    ("idempotentHint", "idempotent_hint"),
    ("openWorldHint", "open_world_hint"),
)


def rewrite_descriptor(
    raw: bytes, *, name: str | None, override: ToolOverride | None = None, member: str = "name"
) -> bytes:
    """The descriptor with only the changed members replaced, in place; absent ones are added at the end.

    `name` is the new value of the `member` that names it, None keeps it; the override's own name is the caller's
    matter. All other members keep their bytes and order. With nothing to change these are the same bytes.
    """
    description = override.description if override is not None else None
    annotations = override.annotations if override is not None else None
    arguments = override.arguments if override is not None else {}
    if name is None and description is None and annotations is None and not arguments:
        return raw
    members = decode_members(raw)
    if name is not None:
        members[member] = msgspec.Raw(_encode(name))
    if description is not None:
        members["description"] = msgspec.Raw(_encode(description))
    if annotations is not None:
        members["annotations"] = _merge_hints(members.get("annotations"), annotations)
    if arguments:
        members["inputSchema"] = _rewrite_schema(members["inputSchema"], arguments)
    return encode_members(members)


def property_names(raw: bytes) -> frozenset[str]:
    """The arguments that a tool's descriptor names: the properties at the top of its `inputSchema`.

    What a schema says elsewhere (`$ref`, `allOf`, `anyOf`) is not looked at.
    """
    return frozenset(_object(_object(decode_members(raw).get("inputSchema")).get("properties")))


def _rewrite_schema(schema: msgspec.Raw, arguments: Mapping[str, ArgumentOverride]) -> msgspec.Raw:
    """The schema as callers see it: without withheld properties, with our defaults, fewer of them required.

    All else keeps its bytes and order; with nothing to change these are the same bytes.
    """
    members = _object(schema)
    changed = {
        key: rewritten
        for key, rewritten in (
            ("properties", _rewrite_properties(members.get("properties"), arguments)),
            ("required", _relax(members.get("required"), arguments)),
        )
        if rewritten is not None
    }
    if not changed:
        return schema
    # An empty list of required properties is no schema to readers of older drafts (JSON Schema draft 4, 5.4.3).
    kept = {key: raw for key, raw in {**members, **changed}.items() if key != "required" or bytes(raw) != b"[]"}
    return msgspec.Raw(encode_members(kept))


def _rewrite_properties(raw: msgspec.Raw | None, arguments: Mapping[str, ArgumentOverride]) -> msgspec.Raw | None:
    """None where nothing changes."""
    properties = _object(raw)
    changed: dict[str, msgspec.Raw] = {}
    for name, part in properties.items():
        override = arguments.get(name)
        if override is None or not override.is_withheld:
            changed[name] = part if override is None else _with_default(part, override)
    return msgspec.Raw(encode_members(changed)) if changed != properties else None


def _with_default(part: msgspec.Raw, override: ArgumentOverride) -> msgspec.Raw:
    """The property's schema with our default; one that allows nothing has no place for it."""
    is_object = bytes(memoryview(part)[:1]) == b"{"
    if override.default is None or not (is_object or bytes(part) == b"true"):
        return part
    keywords = _object(part)
    keywords["default"] = msgspec.Raw(encode_json(override.default.value))
    return msgspec.Raw(encode_members(keywords))


def _relax(raw: msgspec.Raw | None, arguments: Mapping[str, ArgumentOverride]) -> msgspec.Raw | None:
    """The required properties without those that a caller may leave out; None where nothing changes."""
    try:
        required = decode_items(raw) if raw is not None else []
    except msgspec.DecodeError:
        return None
    kept = [bytes(entry) for entry in required if not _names_one_of(entry, arguments)]
    return msgspec.Raw(b"[" + b",".join(kept) + b"]") if len(kept) < len(required) else None


def _names_one_of(raw: msgspec.Raw, names: Container[str]) -> bool:
    try:
        return _decode_text(raw) in names
    except msgspec.DecodeError:
        # No text, or one with half a surrogate pair: no name that the settings can hold.
        return False


def _object(raw: msgspec.Raw | None) -> dict[str, msgspec.Raw]:
    """The members of an object; none of anything else."""
    try:
        return decode_members(raw) if raw is not None else {}
    except msgspec.DecodeError:
        return {}


def _merge_hints(own: msgspec.Raw | None, override: AnnotationsOverride) -> msgspec.Raw:
    try:
        hints = decode_members(own) if own is not None else {}
    except msgspec.DecodeError:
        # The backend wrote no object: nothing of it can be kept beside the override.
        hints = {}
    for key, attribute in _HINTS:
        value = getattr(override, attribute)
        if value is not None:
            hints[key] = msgspec.Raw(_encode(value))
    return msgspec.Raw(encode_members(hints))
