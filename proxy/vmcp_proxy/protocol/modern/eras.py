"""Of which era a request is, and what the modern one (MCP 2026-07-28) asks of its headers and its envelope."""

import re
from collections.abc import Callable
from typing import Final, TypeAlias, final

import msgspec

from vmcp_proxy.protocol.error_codes import (
    HEADER_MISMATCH,
    INVALID_PARAMS,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    UNSUPPORTED_VERSION,
)
from vmcp_proxy.protocol.jsonrpc import Batch, Notification, Raw, Request, Response
from vmcp_proxy.protocol.methods import LOG_LEVELS, MODERN_METHODS
from vmcp_proxy.protocol.modern import envelope_keys
from vmcp_proxy.protocol.modern.envelope import NAMED_BY, Envelope, EnvelopeParams, Meta, read_params, read_text
from vmcp_proxy.protocol.modern.header_values import decode_header_value, encode_header_value
from vmcp_proxy.protocol.modern.repeated import Repeated
from vmcp_proxy.protocol.versions import CLIENT_REVISIONS, MODERN, SESSION_HEADER, SPOKEN

REVISION_HEADER: Final = b"mcp-protocol-version"
METHOD_HEADER: Final = b"mcp-method"
NAME_HEADER: Final = b"mcp-name"
PARAM_HEADERS: Final = b"mcp-param-"
"""What the headers begin with that repeat arguments of a tool."""

MAX_CAPABILITIES: Final = 16 << 10
"""Bytes of what a client declares with each request; as of what a session's client may declare."""

_MODERN: Final = MODERN.encode()
_MODERN_TEXT: Final = b'"%b"' % _MODERN
_LEGACY: Final = frozenset(revision.encode() for revision in CLIENT_REVISIONS)
_DATED: Final = re.compile(rb"\d{4}-\d{2}-\d{2}")
_LONGEST_SHOWN: Final = 128
_NULL: Final = b"null"
_NO_META: Final = (
    f'The params need a member "_meta": an object with "{envelope_keys.PROTOCOL_VERSION}" and '
    f'"{envelope_keys.CLIENT_CAPABILITIES}".'
)

Header: TypeAlias = Callable[[bytes], bytes | None]
"""The first value of a header field by its lower-case name."""


@final
class Legacy(msgspec.Struct, frozen=True, gc=False):
    """The request is of the era of sessions, or of none: that era has an answer for it."""


@final
class Modern(msgspec.Struct, frozen=True, gc=False):
    """A request of a method that the modern era has; its headers say what its body says."""

    envelope: Envelope


@final
class ModernNotification(msgspec.Struct, frozen=True, gc=False):
    """A notification of the modern era, which has none that clients send over HTTP: taken, and nothing follows."""


@final
class Refusal(msgspec.Struct, frozen=True, gc=False):
    """Why the request is not served: HTTP status, JSON-RPC code, text, raw `data` and more header fields."""

    status: int
    code: int
    message: str
    data: bytes | None = None
    headers: tuple[tuple[bytes, bytes], ...] = ()


Verdict: TypeAlias = Legacy | Modern | ModernNotification | Refusal


LEGACY: Final = Legacy()
MODERN_NOTIFICATION: Final = ModernNotification()
NOT_POST: Final = Refusal(
    405,
    INVALID_REQUEST,
    f"Revision {MODERN} has no streams to open and no sessions to end; send requests with POST.",
    headers=((b"allow", b"POST"),),
)
NO_REQUEST: Final = Refusal(400, INVALID_REQUEST, f"In revision {MODERN} clients send one request or notification.")
BAD_REVISION: Final = Refusal(
    400, INVALID_REQUEST, f"Unsupported MCP-Protocol-Version; this endpoint speaks {', '.join(SPOKEN)}."
)


def claims_modern(header: Header) -> bool:
    """Whether the headers alone say that a request is of the modern era, or of a later revision."""
    revision = header(REVISION_HEADER)
    if revision is None or revision in _LEGACY or header(SESSION_HEADER) is not None:
        return False
    return revision == _MODERN or (revision > _MODERN and _DATED.fullmatch(revision) is not None)


def may_be_modern(header: Header) -> bool:
    """Whether the body decides what a message is: outside of sessions, where no earlier revision is named.

    Of a revision that looks like none the body may say the same: then it is one that is not spoken here.
    """
    revision = header(REVISION_HEADER)
    if not revision or header(SESSION_HEADER) is not None:
        return False
    return revision >= _MODERN or _DATED.fullmatch(revision) is None


def classify(
    http_method: str,
    header: Header,
    message: Request | Notification | Response | Batch | None,
    repeated: Repeated | None = None,
) -> Verdict:
    """The era of one HTTP request, by its headers first, and whether a modern one is as it must be.

    `repeated` is there where requests come with the very same head, and keeps what it takes to know the next one.

    In a session everything is legacy, as is what names a legacy revision or none; `message` is None where there is no
    body. Of a modern request, the first of these that is wrong is the answer:

    1. its HTTP method (405);
    2. it is a request (a notification is taken: 202), and no batch or answer (400, -32600);
    3. `_meta` has a protocol version and capabilities (400, -32602);
    4. `MCP-Protocol-Version`, `Mcp-Method` and, where the method names something, `Mcp-Name` repeat the body
       (400, -32020): also where only the body is modern;
    5. the revision is spoken here (400, -32022 with those that are);
    6. the shape of the rest of the envelope (400, -32602);
    7. the method is one of the modern era (404, -32601).

    Source: MCP 2026-07-28, "Transports" and "Per-request protocol fields"; ADR-0059.
    """
    revision = header(REVISION_HEADER)
    if header(SESSION_HEADER) is not None:
        return LEGACY
    if revision is None or revision in _LEGACY:
        return _only_by_body(revision, message)
    if isinstance(message, Request):
        return _modern(revision, header, message, repeated)
    return _no_request(http_method, revision, header, message)


def fields_of(message: Request) -> tuple[tuple[bytes, bytes], ...]:
    """The header fields that a modern request has where there is HTTP; none of a request of the other era.

    For transports that have no headers: the body alone says there of which era a request is.
    """
    found = read_params(message.params)
    version = None if found.meta.version is msgspec.UNSET else read_text(found.meta.version)
    if version is None or version in CLIENT_REVISIONS:
        return ()
    fields = [(REVISION_HEADER, version.encode("latin-1", "replace")), (METHOD_HEADER, message.method.encode())]
    member = NAMED_BY.get(message.method)
    named = msgspec.UNSET if member is None else found.name if member == "name" else found.uri
    if named is not msgspec.UNSET and (text := read_text(named)) is not None:
        fields.append((NAME_HEADER, encode_header_value(text)))
    return tuple(fields)


def _only_by_body(revision: bytes | None, message: object) -> Verdict:
    if not isinstance(message, Request):
        return LEGACY
    meta = read_params(message.params).meta
    if meta.version is msgspec.UNSET or read_text(meta.version) in CLIENT_REVISIONS:
        return LEGACY
    return _mismatch("MCP-Protocol-Version", revision, meta.version)


def _no_request(http_method: str, revision: bytes, header: Header, message: object) -> Verdict:
    if not claims_modern(header):
        return BAD_REVISION
    if http_method != "POST":
        return NOT_POST
    if not isinstance(message, Notification):
        return NO_REQUEST
    return MODERN_NOTIFICATION if revision == _MODERN else _unsupported(revision.decode("latin-1"))


def _modern(revision: bytes, header: Header, message: Request, repeated: Repeated | None) -> Verdict:
    found = read_params(message.params)
    verdict = _judged(revision, header, message, found)
    if repeated is not None and isinstance(verdict, Modern):
        repeated.keep(message, found.meta, verdict.envelope)
    return verdict


def _judged(revision: bytes, header: Header, message: Request, found: EnvelopeParams) -> Verdict:
    meta = found.meta
    if meta.version is msgspec.UNSET or meta.capabilities is msgspec.UNSET:
        is_known = meta.version is not msgspec.UNSET or claims_modern(header)
        return Refusal(400, INVALID_PARAMS, _NO_META) if is_known else BAD_REVISION
    is_ours = revision == _MODERN and bytes(meta.version) == _MODERN_TEXT
    if not is_ours and read_text(meta.version) != revision.decode("latin-1"):
        return _mismatch("MCP-Protocol-Version", revision, meta.version)
    wrong = _check_names(header, message, found)
    if wrong is None and not is_ours and revision != _MODERN:
        wrong = _unsupported(revision.decode("latin-1"))
    if wrong is not None:
        return wrong
    envelope = _envelope(meta, meta.capabilities)
    if isinstance(envelope, Envelope) and message.method in MODERN_METHODS:
        return Modern(envelope)
    return envelope if isinstance(envelope, Refusal) else method_not_found(message.method)


def _check_names(header: Header, message: Request, found: EnvelopeParams) -> Refusal | None:
    method = header(METHOD_HEADER)
    if method is None or method.decode("latin-1") != message.method:
        return _mismatch("Mcp-Method", method, msgspec.json.encode(message.method))
    member = NAMED_BY.get(message.method)
    if member is None:
        return None
    named = found.name if member == "name" else found.uri
    if named is msgspec.UNSET or bytes(named) == _NULL:
        # That it is lacking is told by whoever reads the params.
        return None
    name = header(NAME_HEADER)
    text = read_text(named)
    return None if text is not None and decode_header_value(name) == text else _mismatch("Mcp-Name", name, named)


def _envelope(meta: Meta, capabilities: msgspec.Raw) -> Envelope | Refusal:
    if not _is_object(capabilities):
        return _bad_key(envelope_keys.CLIENT_CAPABILITIES, "an object")
    if len(memoryview(capabilities)) > MAX_CAPABILITIES:
        return _bad_key(envelope_keys.CLIENT_CAPABILITIES, f"at most {MAX_CAPABILITIES} bytes long")
    level = None
    if meta.level is not msgspec.UNSET and bytes(meta.level) != _NULL:
        level = read_text(meta.level)
        if level not in LOG_LEVELS:
            return _bad_key(envelope_keys.LOG_LEVEL, f"one of {', '.join(LOG_LEVELS)}")
    info = bytes(meta.info) if meta.info is not msgspec.UNSET and _is_object(meta.info) else None
    return Envelope(bytes(capabilities), info, level)


def method_not_found(method: str) -> Refusal:
    """The method is none of this era, or nothing behind this endpoint answers it."""
    return Refusal(404, METHOD_NOT_FOUND, f"Method not found: {method[:_LONGEST_SHOWN]}")


def _unsupported(requested: str) -> Refusal:
    data = msgspec.json.encode({"supported": SPOKEN, "requested": requested[:_LONGEST_SHOWN]})
    return Refusal(400, UNSUPPORTED_VERSION, f"Unsupported protocol version; this endpoint speaks {MODERN}.", data)


def _mismatch(name: str, value: bytes | None, body: Raw) -> Refusal:
    said = "is missing" if value is None else f"is {value.decode('latin-1')[:_LONGEST_SHOWN]!r}"
    wanted = bytes(body)[:_LONGEST_SHOWN].decode(errors="replace")
    return Refusal(400, HEADER_MISMATCH, f"The header {name} must repeat the body: it {said}, the body says {wanted}.")


def _bad_key(key: str, wanted: str) -> Refusal:
    return Refusal(400, INVALID_PARAMS, f'The member "{key}" of "_meta" must be {wanted}.')


def _is_object(raw: msgspec.Raw) -> bool:
    return bytes(memoryview(raw)[:1]) == b"{"
