"""Results of `tools/call` that say in words what went wrong (MCP, Tools: tool execution errors)."""

from collections.abc import Mapping

import msgspec

from vmcp_proxy.protocol.jsonrpc import Raw
from vmcp_proxy.protocol.surrogates import decode_items, decode_members, encode_members

_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_encode = msgspec.json.encode


def tool_error(*texts: str, meta: Mapping[str, str | int] | None = None) -> bytes:
    """A result that is an error, in these texts; `meta` is its `_meta`."""
    result: dict[str, object] = {"content": [{"type": "text", "text": text} for text in texts], "isError": True}
    if meta is not None:
        result["_meta"] = meta
    return _encode(result)


def with_text(raw: Raw, text: str) -> Raw:
    """The result with one more text at the end of its content; the same where it has none that can be read."""
    try:
        members = decode_members(raw)
        content = decode_items(members["content"])
    except (KeyError, *_UNREADABLE):
        return raw
    content.append(msgspec.Raw(_encode({"type": "text", "text": text})))
    return encode_members({**members, "content": msgspec.Raw(b"[" + b",".join(map(bytes, content)) + b"]")})
