"""Results as clients of the modern era read them: nothing is cut out, and each says what it is and who gives it.

Every result has a `resultType` and the server in its `_meta`; those of lists, `resources/read` and `server/discover`
say besides for how long and for whom they may be kept (MCP 2026-07-28, "Caching").
"""

import functools
from enum import StrEnum
from typing import Final

import msgspec

from vmcp_proxy.protocol.jsonrpc import Answer, Marks, Raw, encode_answer, encode_spliced
from vmcp_proxy.protocol.modern.envelope_keys import SERVER_INFO
from vmcp_proxy.protocol.surrogates import decode_members, encode_members


class Scope(StrEnum):
    """For whom a result may be kept: for anybody, or for the caller alone."""

    PUBLIC = "public"
    PRIVATE = "private"


CACHED: Final = frozenset(
    {
        "server/discover",
        "tools/list",
        "resources/list",
        "resources/templates/list",
        "prompts/list",
        "resources/read",
    }
)
"""The methods whose results say how they may be kept."""

_UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_COMPLETE: Final = msgspec.Raw(b'"complete"')
_PRIVATE: Final = msgspec.Raw(b'"private"')
_NO_TIME: Final = msgspec.Raw(b"0")
_OPENS_MEMBER: Final = b'{"'
_TYPE: Final = "resultType"
_META: Final = "_meta"
_TTL: Final = "ttlMs"
_SCOPE: Final = "cacheScope"


def encode_modern(
    request_id: bytes, raw: Raw, marks: Marks, server: bytes, *, is_cached: bool = False
) -> Answer | None:
    """The answer with a result, completed; None where the result is no JSON object.

    `marks` are those of the result as its backend gave it, `server` is the raw `serverInfo`. A result that says of
    itself how it may be kept (`is_cached`) is believed in how long, and never in for whom: what a caller sees may
    depend on who it is.
    """
    view = memoryview(raw)
    is_plain = marks.meta is msgspec.UNSET and marks.result_type is msgspec.UNSET and not is_cached
    if is_plain and bytes(view[:2]) == _OPENS_MEMBER:
        return encode_spliced(request_id, _members(server), view[1:])
    try:
        members = decode_members(raw)
    except _UNREADABLE:
        return None
    members.setdefault(_TYPE, _COMPLETE)
    members[_META] = _with_server(members.get(_META), server)
    if is_cached:
        members[_TTL] = _time_of(members.get(_TTL))
        members[_SCOPE] = _PRIVATE
    return encode_answer(request_id, encode_members(members))


def encode_own(
    request_id: bytes, raw: bytes, server: bytes, *, ttl_ms: int = 0, scope: Scope = Scope.PRIVATE
) -> Answer:
    """The answer with a result of ours that is kept: an object with at least one member and no `_meta`."""
    hints = b',"%b":%d,"%b":"%b"' % (_TTL.encode(), ttl_ms, _SCOPE.encode(), scope.value.encode())
    return encode_spliced(request_id, _members(server) + hints, memoryview(raw)[1:])


@functools.lru_cache(maxsize=16)
def _members(server: bytes) -> bytes:
    return b'"resultType":"complete","_meta":{"%b":%b}' % (SERVER_INFO.encode(), server)


def _with_server(meta: msgspec.Raw | None, server: bytes) -> msgspec.Raw:
    try:
        kept = {} if meta is None else decode_members(meta)
    except _UNREADABLE:
        kept = {}
    kept[SERVER_INFO] = msgspec.Raw(server)
    return msgspec.Raw(encode_members(kept))


def _time_of(raw: msgspec.Raw | None) -> msgspec.Raw:
    """How long a result may be kept, in milliseconds; not at all where nobody says, or says anything odd."""
    return raw if raw is not None and bytes(raw).isdigit() else _NO_TIME
