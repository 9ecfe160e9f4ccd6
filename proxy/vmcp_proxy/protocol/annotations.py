"""What a tool says of itself beside its schema (MCP, "Tool annotations"): hints, for policies to decide by."""

from collections.abc import Mapping
from typing import Final

import msgspec

from vmcp_proxy.protocol.surrogates import decode_members

_SIGNS: Final = (b"annotations", b"\\u")
"""What a descriptor with annotations has in it, however it spells them."""

_TRUTH: Final = {b"true": True, b"false": False}


class Annotations(msgspec.Struct, frozen=True, gc=False):
    """The hints; None where the tool does not give one, or gives no truth value."""

    read_only: bool | None = None
    destructive: bool | None = None
    idempotent: bool | None = None
    open_world: bool | None = None


NO_ANNOTATIONS: Final = Annotations()

_HINTS: Final = (
    ("readOnlyHint", "read_only"),
    ("destructiveHint", "destructive"),
    ("idempotentHint", "idempotent"),
    ("openWorldHint", "open_world"),
)
"""By their names in MCP."""


def hints_of(annotations: Annotations) -> dict[str, bool]:
    """The hints that a tool gives, by their names in MCP."""
    return {name: hint for name, member in _HINTS if (hint := getattr(annotations, member)) is not None}


def read_annotations(raw: bytes) -> Annotations:
    """The annotations in a tool's descriptor, as the settings left them; those of an odd one are none."""
    if not any(sign in raw for sign in _SIGNS):
        return NO_ANNOTATIONS
    try:
        own = decode_members(raw).get("annotations")
        hints = {} if own is None else decode_members(own)
    except msgspec.DecodeError:
        return NO_ANNOTATIONS
    if not hints:
        return NO_ANNOTATIONS
    return Annotations(**{member: _hint(hints, name) for name, member in _HINTS})


def _hint(hints: dict[str, msgspec.Raw], name: str) -> bool | None:
    value = hints.get(name)
    return None if value is None else _TRUTH.get(bytes(value).strip())


def annotations_of(hints: Mapping[str, bool]) -> Annotations:
    """The annotations with these hints, by their names in MCP; others are left out."""
    return Annotations(**{member: hints.get(name) for name, member in _HINTS})
