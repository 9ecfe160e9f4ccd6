"""Params and results as raw members: read one, replace one, leave the rest as it came."""

import functools
from typing import Final

import msgspec

from vmcp_proxy.protocol import surrogates
from vmcp_proxy.protocol.jsonrpc import Marks, Raw
from vmcp_proxy.protocol.modern.envelope_keys import ENVELOPE

Members = dict[str, msgspec.Raw]

_decode_members: Final = surrogates.decode_members
_decode_text: Final = msgspec.json.Decoder(str).decode
_decode_marks: Final = msgspec.json.Decoder(Marks).decode
_encode: Final = msgspec.json.encode
_UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

_OWN: Final = "vmcp.dev/"
"""What begins with it the proxy alone says in `_meta`."""

_TASKS: Final = frozenset({"io.modelcontextprotocol/related-task", "io.modelcontextprotocol/model-immediate-response"})
"""Of MCP's tasks, which are not routed: they speak of one that the peer could ask nobody for."""

_OF_HOP: Final = frozenset(map(str.casefold, ENVELOPE | _TASKS))
"""Keys of `_meta` that belong to this hop: what a peer sends under them is not relayed.

They are named one by one: the rest of `io.modelcontextprotocol/` is for extensions of MCP, whose ends are the client
and the backend (ADR-0010).
"""

TRACE_CONTEXT: Final = frozenset({"traceparent", "tracestate", "baggage"})
"""Keys of `_meta` that carry the context of a trace (SEP-414)."""

PARAMS: Final = frozenset(
    {
        "_meta",
        "argument",
        "arguments",
        "context",
        "cursor",
        "inputResponses",
        "level",
        "name",
        "ref",
        "requestState",
        "uri",
    }
)
"""Members that MCP gives a meaning to in the params of what clients ask for."""

REFERENCE: Final = frozenset({"name", "type", "uri"})
"""The same of a completion's `ref`."""

_META: Final = frozenset({"_meta"})
_TYPE: Final = "resultType"
_HINTS: Final = ("ttlMs", "cacheScope")
"""How long a result may be kept, and by whom (MCP 2026-07-28, "Caching")."""
_PROGRESS: Final = "progressToken"
_FOLDED: Final = _PROGRESS.casefold()


class InvalidParamsError(ValueError):
    """The params do not have the shape of their method; the text is fit for the client."""


def parse_members(raw: Raw | None) -> Members:
    """The members of a JSON object in their order, values raw; of a repeated member the last value counts.

    Raises:
        InvalidParamsError: it is no object.
    """
    if raw is None:
        return {}
    try:
        return _decode_members(raw)
    except _UNREADABLE:
        raise InvalidParamsError("The params must be an object.") from None


def encode_members(members: Members) -> bytes:
    """The object again."""
    return surrogates.encode_members(members)


def text_of(members: Members, name: str) -> str:
    """A member that must be a text.

    Raises:
        InvalidParamsError: it is absent or something else.
    """
    raw = members.get(name)
    if raw is not None:
        try:
            return _decode_text(raw)
        except _UNREADABLE:
            pass
    raise InvalidParamsError(f'The params need a text member "{name}".')


def optional_text_of(members: Members, name: str) -> str | None:
    """A member that may be absent or null, and must be a text otherwise.

    Raises:
        InvalidParamsError: it is something else.
    """
    raw = members.get(name)
    if raw is None or bytes(raw) == b"null":
        return None
    return text_of(members, name)


def raw_text(text: str) -> msgspec.Raw:
    """A text as raw JSON."""
    return msgspec.Raw(_encode(text))


@functools.cache
def _folded(known: frozenset[str]) -> frozenset[str]:
    return frozenset(map(str.casefold, known))


def drop_lookalikes(members: Members, known: frozenset[str]) -> bool:
    """Takes out what differs from a known member by case alone, in place; whether there was any.

    Some JSON readers match members without regard to case, and take the last one (Go's `encoding/json`): a peer would
    do what `Name` says although it was judged by `name`.
    """
    if known.issuperset(members):
        return False
    folded = _folded(known)
    lookalikes = [name for name in members if name not in known and name.casefold() in folded]
    for name in lookalikes:
        del members[name]
    return bool(lookalikes)


def _is_of_hop(key: str) -> bool:
    """Also what differs from such a key by case alone, for readers that take it for the same."""
    return key.startswith(_OWN) or key.casefold() in _OF_HOP


def outbound_meta(
    members: Members, progress_token: int | None, context: msgspec.Raw | None = None
) -> msgspec.Raw | None:
    """See `replace_meta`, for a token that is a number."""
    if "_meta" not in members:
        return None
    return replace_meta(members, None if progress_token is None else msgspec.Raw(b"%d" % progress_token), context)


def replace_meta(
    members: Members, progress_token: msgspec.Raw | None, context: msgspec.Raw | None = None
) -> msgspec.Raw | None:
    """Takes the sender's progress token and reserved keys out of `_meta` and puts our token in, in place.

    An object with a trace `context` takes the place of the sender's; None leaves that as it came. Returns the
    sender's token as raw JSON where there was one and the sender may get progress.
    """
    raw = members.get("_meta")
    if raw is None:
        return None
    meta = parse_members(None if bytes(raw) == b"null" else raw)
    token = meta.pop(_PROGRESS, None)
    kept = {key: value for key, value in meta.items() if not _is_of_hop(key) and key.casefold() != _FOLDED}
    if context is not None:
        kept = {key: value for key, value in kept.items() if key.casefold() not in TRACE_CONTEXT}
        kept |= parse_members(context)
    if token is not None and progress_token is not None:
        kept[_PROGRESS] = progress_token
    if kept:
        members["_meta"] = msgspec.Raw(encode_members(kept))
    else:
        del members["_meta"]
    return token


def inbound_result(raw: Raw, marks: Marks | None = None) -> Raw:
    """A backend's result without the keys of `_meta` that are ours to set; mostly the same bytes.

    `marks` are those of this result, where they are known.
    """
    meta = (marks_of(raw) if marks is None else marks).meta
    if meta is msgspec.UNSET:
        return raw
    try:
        kept = _meta_of_backend(meta)
        if kept is None:
            return raw
        members = _decode_members(raw)
    except _UNREADABLE:
        return raw
    members["_meta"] = kept
    return encode_members(members)


def former_result(raw: Raw, marks: Marks | None, *, is_cached: bool) -> tuple[Raw, Marks]:
    """A result, and its marks, without what a backend of a former revision cannot say: mostly the same bytes.

    That is `resultType`, and of a method whose results say how they may be kept (`is_cached`) the hints. What an
    `input_required` result asks for stays, as nobody takes it for that without its type. `marks` are those of this
    result, where they are known.
    """
    marks = marks_of(raw) if marks is None else marks
    if marks.result_type is msgspec.UNSET and not is_cached:
        return raw, marks
    try:
        members = _decode_members(raw)
    except _UNREADABLE:
        return raw, marks
    names = (_TYPE, *_HINTS) if is_cached else (_TYPE,)
    kept = {name: value for name, value in members.items() if name not in names}
    if len(kept) == len(members):
        return raw, marks
    return encode_members(kept), msgspec.structs.replace(marks, result_type=msgspec.UNSET)


def client_result(raw: Raw) -> Raw:
    """A client's answer without the keys of `_meta` that are ours to set, or of a trace; the same where it has none."""
    try:
        members = _decode_members(raw)
        is_odd = drop_lookalikes(members, _META)
        meta = {} if "_meta" not in members else _decode_members(members["_meta"])
    except _UNREADABLE:
        return raw
    kept = {key: value for key, value in meta.items() if not _is_of_hop(key) and key.casefold() not in TRACE_CONTEXT}
    if len(kept) == len(meta) and not is_odd:
        return raw
    if len(kept) < len(meta):
        members["_meta"] = msgspec.Raw(encode_members(kept))
    return encode_members(members)


def _meta_of_backend(raw: msgspec.Raw) -> msgspec.Raw | None:
    """The `_meta` without what is ours to set; None where nothing is."""
    try:
        keys = _decode_members(raw)
    except _UNREADABLE:
        return None
    kept = {key: value for key, value in keys.items() if not _is_of_hop(key)}
    return None if len(kept) == len(keys) else msgspec.Raw(encode_members(kept))


def marks_of(raw: Raw) -> Marks:
    """The marks of a result; none of what cannot be read."""
    try:
        # One pass of the decoder is cheaper than searching the text for the names, and finds them escaped too.
        return _decode_marks(raw)
    except msgspec.ValidationError:
        # An odd `isError`, which says nothing, and behind which nothing may hide.
        is_odd = True
    except _UNREADABLE:
        # Perhaps only for a lone surrogate.
        is_odd = False
    try:
        members = _decode_members(raw)
    except _UNREADABLE:
        return Marks()
    return Marks(
        is_error=not is_odd and bytes(members.get("isError", b"")) == b"true",
        meta=members.get("_meta", msgspec.UNSET),
        structured=members.get("structuredContent", msgspec.UNSET),
        result_type=members.get("resultType", msgspec.UNSET),
    )
