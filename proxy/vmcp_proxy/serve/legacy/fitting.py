"""What clients up to MCP 2025-11-25 cannot read, taken out on its way to them; all their revisions read alike here.

Later revisions allow it and their clients need it, so that the core keeps it as the backend gave it. The rest of an
entry or a result stays as it is, and nothing is put in the place of what goes.
"""

from typing import Final, Literal

import msgspec

from vmcp_proxy.core.listings.entry_shape import is_text
from vmcp_proxy.protocol.jsonrpc import Marks, Raw
from vmcp_proxy.protocol.kinds import Kind
from vmcp_proxy.protocol.surrogates import decode_members, encode_members

_UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_SCHEMA: Final = "outputSchema"
_STRUCTURED: Final = "structuredContent"
_OPENS_OBJECT: Final = ord("{")


class _ObjectSchema(msgspec.Struct, frozen=True, gc=False):
    type: Literal["object"]


class _Tool(msgspec.Struct, frozen=True, gc=False):
    output_schema: _ObjectSchema | msgspec.UnsetType = msgspec.field(name=_SCHEMA, default=msgspec.UNSET)


_decode_tool: Final = msgspec.json.Decoder(_Tool).decode


def fit_entry(kind: Kind, raw: bytes) -> bytes:
    """The listed entry without an `outputSchema` that describes no object, or not by its root's `type`.

    Clients refuse the whole list for one. `raw` is what the core has found to be an entry of its kind.
    """
    if kind is not Kind.TOOL:
        return raw
    try:
        # Cheaper than a search for the name, and finds it escaped too.
        _decode_tool(raw)
    except _UNREADABLE:
        # Perhaps for a lone surrogate alone.
        return _without_schema(raw)
    return raw


def _without_schema(raw: bytes) -> bytes:
    members = decode_members(raw)
    schema = members.pop(_SCHEMA, None)
    if schema is None or is_text(decode_members(schema).get("type", b""), "object"):
        return raw
    return encode_members(members)


def fit_tool_result(raw: Raw, marks: Marks) -> Raw:
    """The result of a tool without structured content that is no object: clients throw the whole result away for it.

    `marks` are those of this result; it is the same object where nothing goes.
    """
    structured = marks.structured
    if structured is msgspec.UNSET or memoryview(structured)[0] == _OPENS_OBJECT:
        return raw
    try:
        members = decode_members(raw)
    except _UNREADABLE:
        return raw
    members.pop(_STRUCTURED, None)
    return encode_members(members)
