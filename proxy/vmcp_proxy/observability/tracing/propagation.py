"""W3C Trace Context and Baggage: read from headers and `_meta` (SEP-414), written to both; pure.

What is malformed counts as absent, as the specifications ask: it never fails a request.
"""

import re
from collections.abc import Iterable
from typing import Final, TypeAlias

import msgspec

from vmcp_proxy.protocol.jsonrpc import Raw

Headers: TypeAlias = Iterable[tuple[bytes, bytes]]

TRACEPARENT: Final = "traceparent"
TRACESTATE: Final = "tracestate"
BAGGAGE: Final = "baggage"

NAMES: Final = frozenset({TRACEPARENT, TRACESTATE, BAGGAGE})
"""The headers, and the keys of `_meta`."""

_FIELDS: Final = frozenset(name.encode() for name in NAMES)

SAMPLED: Final = 1
_KEPT_FLAGS: Final = 3
"""Sampled, and random (Trace Context level 2); others have no meaning yet and are cleared."""

_LONGEST_STATE: Final = 2048
_MOST_STATES: Final = 32
_LONGEST_BAGGAGE: Final = 8192
_MOST_BAGGAGE: Final = 64

_PARENT: Final = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?", re.ASCII).fullmatch
_LENGTH: Final = 55
_STATE: Final = re.compile(
    r"([a-z0-9][a-z0-9_\-*/]{0,240}(?:@[a-z][a-z0-9_\-*/]{0,13})?)"
    r"=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]"
).fullmatch
_MEMBER: Final = re.compile(
    r"([!#$%&'*+.^_`|~0-9A-Za-z-]++)[ \t]*+=[ \t]*+[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]*+[ \t]*+"
    r"(?:;[ \t]*+[!#$%&'*+.^_`|~0-9A-Za-z-]++[ \t]*+"
    r"(?:=[ \t]*+[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]*+[ \t]*+)?+)*+"
).fullmatch
"""Possessive throughout: blanks that two parts could both take would be tried in every way."""
_VERSION: Final = "00"
_NO_TRACE: Final = "0" * 32
_NO_SPAN: Final = "0" * 16


class TraceParent(msgspec.Struct, frozen=True, gc=False):
    """A span of another process: ids in hex, `flags` as they came; `text` is the header in version 00."""

    trace: str
    span: str
    flags: int
    text: str

    @property
    def is_sampled(self) -> bool:
        """Whether whoever has begun the trace records it."""
        return bool(self.flags & SAMPLED)


class Incoming(msgspec.Struct, frozen=True, gc=False):
    """What a request came with.

    `parent` is the span that it belongs to, `link` another one that it came through: where `_meta` names the parent,
    the span of its HTTP request. `state` goes with the parent; of the baggage only what may be forwarded is there.
    """

    parent: TraceParent | None = None
    state: str = ""
    baggage: str = ""
    link: TraceParent | None = None


NOTHING: Final = Incoming()


class _Meta(msgspec.Struct, gc=False):
    traceparent: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    tracestate: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    baggage: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


_decode_meta: Final = msgspec.json.Decoder(_Meta).decode
_decode_text: Final = msgspec.json.Decoder(str).decode
_UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def parse_traceparent(text: str) -> TraceParent | None:
    """The value of a `traceparent` (Trace Context, section 3.2); None where it is none.

    Of a later version what is known is read, whatever follows it.
    """
    found = _PARENT(text)
    if found is None:
        return None
    version, trace, span, flags = found.groups()
    if trace == _NO_TRACE or span == _NO_SPAN or version == "ff":
        return None
    number = int(flags, 16)
    if version == _VERSION:
        return TraceParent(trace, span, number, text) if len(text) == _LENGTH else None
    return TraceParent(trace, span, number, f"{_VERSION}-{trace}-{span}-{number & _KEPT_FLAGS:02x}")


def clean_tracestate(text: str) -> str:
    """A `tracestate` (section 3.3) without blanks and empty members; empty where any member is malformed."""
    if not text or len(text) > _LONGEST_STATE:
        return ""
    members = [member for each in text.split(",") if (member := each.strip(" \t"))]
    found = [_STATE(member) for member in members]
    keys = {each[1] for each in found if each is not None}
    return ",".join(members) if len(keys) == len(members) <= _MOST_STATES else ""


def allowed_baggage(text: str, allowed: frozenset[str]) -> str:
    """The members of a baggage (W3C Baggage, section 3.2) that have one of these names, properties included."""
    if not text or not allowed or len(text) > _LONGEST_BAGGAGE:
        return ""
    kept: list[str] = []
    for each in text.split(","):
        member = each.strip(" \t")
        found = _MEMBER(member)
        if found is not None and found[1] in allowed:
            kept.append(member)
    return ",".join(kept[:_MOST_BAGGAGE])


def read_headers(fields: Headers, allowed: frozenset[str]) -> Incoming:
    """What the headers of a request say; of two `traceparent` neither counts (section 3.2.1)."""
    found = [field for field in fields if field[0] in _FIELDS]
    if len(found) == 1 and found[0][0] == b"traceparent":
        return Incoming(parse_traceparent(found[0][1].decode("latin-1")))
    parents = [value for name, value in found if name == b"traceparent"]
    states = b",".join([value for name, value in found if name == b"tracestate"])
    baggage = b",".join([value for name, value in found if name == b"baggage"])
    parent = parse_traceparent(parents[0].decode("latin-1")) if len(parents) == 1 else None
    return Incoming(
        parent,
        clean_tracestate(states.decode("latin-1")) if parent is not None else "",
        allowed_baggage(baggage.decode("latin-1"), allowed),
    )


def read_meta(raw: Raw, allowed: frozenset[str]) -> Incoming:
    """What the `_meta` of a request says."""
    try:
        meta = _decode_meta(raw)
    except _UNREADABLE:
        return NOTHING
    parent = None if meta.traceparent is msgspec.UNSET else parse_traceparent(_text(meta.traceparent))
    baggage = "" if meta.baggage is msgspec.UNSET or not allowed else allowed_baggage(_text(meta.baggage), allowed)
    if parent is None:
        return Incoming(baggage=baggage) if baggage else NOTHING
    state = "" if meta.tracestate is msgspec.UNSET else clean_tracestate(_text(meta.tracestate))
    return Incoming(parent, state, baggage)


def join(headers: Incoming, meta: Incoming) -> Incoming:
    """One context of two: `_meta` names the parent where it names any, and the headers are linked to.

    A header belongs to the HTTP request, `_meta` to the message (semantic conventions for MCP, "Context propagation").
    """
    if meta is NOTHING:
        return headers
    if meta.parent is None:
        return msgspec.structs.replace(headers, baggage=meta.baggage or headers.baggage)
    link = headers.parent if headers.parent != meta.parent else None
    return Incoming(meta.parent, meta.state, meta.baggage or headers.baggage, link)


def _text(raw: msgspec.Raw) -> str:
    try:
        return _decode_text(raw)
    except _UNREADABLE:
        return ""


class Outgoing(msgspec.Struct, frozen=True, gc=False):
    """What goes with a request to a backend: header fields, and an object for `_meta`."""

    headers: tuple[tuple[bytes, bytes], ...]
    meta: msgspec.Raw


def write(parent: bytes, state: str, baggage: str) -> Outgoing:
    """The context as both carriers have it; every value is of visible ASCII, so that it can be either."""
    if not state and not baggage:
        return Outgoing(((b"traceparent", parent),), msgspec.Raw(b'{"traceparent":"%b"}' % parent))
    headers = [(b"traceparent", parent)]
    meta = {TRACEPARENT: parent.decode()}
    for name, value in ((TRACESTATE, state), (BAGGAGE, baggage)):
        if value:
            headers.append((name.encode(), value.encode()))
            meta[name] = value
    return Outgoing(tuple(headers), msgspec.Raw(msgspec.json.encode(meta)))
