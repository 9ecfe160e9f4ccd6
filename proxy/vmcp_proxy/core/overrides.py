"""What the settings say about a tool instead of what its backend says."""

from typing import Final

import msgspec

from vmcp_api.spec.aggregation import AnnotationsOverride, ToolOverride
from vmcp_proxy.protocol.surrogates import decode_members, encode_members

_encode: Final = msgspec.json.Encoder().encode

_HINTS: Final = (
    ("title", "title"),
    ("readOnlyHint", "read_only_hint"),
    ("destructiveHint", "destructive_hint"),
    ("idempotentHint", "idempotent_hint"),
    ("openWorldHint", "open_world_hint"),
)


def rewrite_descriptor(raw: bytes, *, name: str | None, override: ToolOverride | None = None) -> bytes:
    """The descriptor with only the changed members replaced, in place; absent ones are added at the end.

    `name` is the new value of the member `name`, None keeps it; the override's own name is the caller's
    matter. All other members keep their bytes and order. With nothing to change these are the same bytes.
    """
    description = override.description if override is not None else None
    annotations = override.annotations if override is not None else None
    if name is None and description is None and annotations is None:
        return raw
    members = decode_members(raw)
    if name is not None:
        members["name"] = msgspec.Raw(_encode(name))
    if description is not None:
        members["description"] = msgspec.Raw(_encode(description))
    if annotations is not None:
        members["annotations"] = _merge_hints(members.get("annotations"), annotations)
    return encode_members(members)


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
