"""Attributes of spans by the semantic conventions for MCP, bounded, and nothing of what messages hold; pure."""

from functools import lru_cache
from typing import Final
from urllib.parse import urlsplit

import msgspec

from vmcp_proxy.observability.tracing.spans import Attributes
from vmcp_proxy.protocol.jsonrpc import Raw
from vmcp_proxy.protocol.kinds import Kind
from vmcp_proxy.protocol.methods import METHODS

METHOD: Final = "mcp.method.name"
SESSION: Final = "mcp.session.id"
REVISION: Final = "mcp.protocol.version"
REQUEST_ID: Final = "jsonrpc.request.id"
STATUS_CODE: Final = "rpc.response.status_code"
BACKEND: Final = "vmcp.backend"
TOOL_ERROR: Final = "tool_error"
OTHER_ERROR: Final = "_OTHER"

_LONGEST: Final = 128
_LONGEST_URI: Final = 256
_NOTIFICATION: Final = "notifications/"
_NOTIFICATIONS: Final = frozenset(
    f"{_NOTIFICATION}{name}"
    for name in ("initialized", "cancelled", "progress", "roots/list_changed", "elicitation/complete")
)
"""Those that MCP lets clients send."""

_NAMED: Final = {Kind.TOOL: "gen_ai.tool.name", Kind.PROMPT: "gen_ai.prompt.name"}
_PORTS: Final = {"http": 80, "https": 443}
_TOOL_CALL: Final = "tools/call"


class _Error(msgspec.Struct, gc=False):
    code: int = 0


class _Answer(msgspec.Struct, gc=False):
    error: _Error | msgspec.UnsetType = msgspec.UNSET


_decode_error: Final = msgspec.json.Decoder(_Error).decode
_decode_answer: Final = msgspec.json.Decoder(_Answer).decode


def method_of(method: str) -> str:
    """A method as a part of a span's name; clients may send any."""
    if method in METHODS or method in _NOTIFICATIONS:
        return method
    return f"{_NOTIFICATION}other" if method.startswith(_NOTIFICATION) else "other"


def request_attributes(method: str, kind: Kind | None, name: str, request_id: bytes | None) -> Attributes:
    """What a request or notification is, and about what; never its arguments."""
    attributes: Attributes = {METHOD: method[:_LONGEST]}
    if request_id is not None:
        attributes[REQUEST_ID] = request_id.decode("utf-8", "replace").strip('"')[:_LONGEST]
    if method == _TOOL_CALL:
        attributes["gen_ai.operation.name"] = "execute_tool"
    if name and kind is not None:
        named = _NAMED.get(kind)
        if named is not None:
            attributes[named] = name[:_LONGEST]
        else:
            attributes["mcp.resource.uri"] = clean_uri(name)
    return attributes


def span_name(method: str, kind: Kind | None, name: str) -> str:
    """Method and target; a URI is none, as there are too many of them."""
    return f"{method_of(method)} {name[:_LONGEST]}" if name and kind in _NAMED else method_of(method)


def clean_uri(uri: str) -> str:
    """A URI without user, query and fragment, each of which may be a secret; of `data:`, which is content, none."""
    shown = uri.partition("#")[0].partition("?")[0]
    scheme, colon, rest = shown.partition(":")
    if scheme.lower() == "data":
        return f"{scheme}{colon}"
    if rest.startswith("//"):
        authority, slash, path = rest[2:].partition("/")
        shown = f"{scheme}://{authority.rpartition('@')[2]}{slash}{path}"
    return shown[:_LONGEST_URI]


@lru_cache(maxsize=512)
def server_attributes(url: str | None) -> tuple[tuple[str, str | int], ...]:
    """Where a backend is, as far as it has an address, and how it is spoken to."""
    if url is None:
        return (("network.transport", "pipe"),)
    parts = urlsplit(url)
    port = parts.port or _PORTS.get(parts.scheme, 0)
    return (
        ("network.transport", "tcp"),
        ("network.protocol.name", "http"),
        ("server.address", parts.hostname or ""),
        ("server.port", port),
    )


def code_of_error(error: Raw) -> str:
    """The code of a JSON-RPC error object as text; `_OTHER` where it has none."""
    try:
        return str(_decode_error(error).code)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return OTHER_ERROR


def code_of_answer(answer: bytes) -> str:
    """The code of an answer that is an error; empty where it is none."""
    try:
        error = _decode_answer(answer).error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    return "" if error is msgspec.UNSET else str(error.code)
