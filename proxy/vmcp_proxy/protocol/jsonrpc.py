"""JSON-RPC 2.0 messages: only the envelope is decoded, params and results stay raw bytes (ADR-0010)."""

from typing import Final, Literal, TypeAlias

import msgspec

from vmcp_proxy.protocol import surrogates
from vmcp_proxy.protocol.error_codes import INVALID_REQUEST, PARSE_ERROR

Raw: TypeAlias = msgspec.Raw | bytes
"""A span of JSON text, relayed as it came."""

Answer: TypeAlias = bytes | tuple[bytes | memoryview, ...]
"""The text of an answer, whole or in parts that follow one another and may be views of what they were read from."""

MAX_ID_BYTES: Final = 512

MOST_BATCHED: Final = 100
"""Messages in one batch of a client: each may cost as much as a request of its own."""

MOST_BATCH_BYTES: Final = 1 << 20
"""Bytes of such a batch: an array of nothing but numbers takes some forty times its size while it is taken apart."""

_MOST_CONTENTS: Final = 1000
"""Contents whose marks are kept: a body of nothing else would take some times its size."""

_APART_BYTES: Final = 64 << 10
"""From this size on a result is not copied into its answer."""


class Request(msgspec.Struct, frozen=True, gc=False):
    """A call that wants an answer; `id` is the exact JSON text of the id, so that `"1"` never becomes `1`."""

    id: bytes
    method: str
    params: msgspec.Raw | None


class Notification(msgspec.Struct, frozen=True, gc=False):
    """A message that gets no answer."""

    method: str
    params: msgspec.Raw | None


class Marks(msgspec.Struct, frozen=True, gc=False):
    """The members of a result that concern this hop; of a repeated one the last counts."""

    is_error: bool = msgspec.field(name="isError", default=False)
    meta: msgspec.Raw | msgspec.UnsetType = msgspec.field(name="_meta", default=msgspec.UNSET)
    structured: msgspec.Raw | msgspec.UnsetType = msgspec.field(name="structuredContent", default=msgspec.UNSET)
    result_type: msgspec.Raw | msgspec.UnsetType = msgspec.field(name="resultType", default=msgspec.UNSET)


class _PlainContent(msgspec.Struct, frozen=True, gc=False):
    """A content that brings all of itself along; anything else that stands under these names is no such content."""

    type: Literal["text", "image", "audio"]
    uri: None = None
    resource: None = None


class PlainMarks(Marks, frozen=True, gc=False):
    """The marks of a result whose contents were seen to link to no resource and to embed none."""

    content: list[_PlainContent] = msgspec.field(default_factory=list)
    messages: None = None


class Response(msgspec.Struct, frozen=True, gc=False):
    """An answer: exactly one of `result` and `error` is there, as raw JSON.

    `marks` are those of the result, where they were seen on the way.
    """

    id: bytes
    result: msgspec.Raw | None
    error: msgspec.Raw | None
    marks: Marks | None = None


class Malformed(msgspec.Struct, frozen=True, gc=False):
    """What is no message: the JSON-RPC code and text to answer with, and the id where one could be read."""

    code: int
    message: str
    id: bytes | None = None


Message: TypeAlias = Request | Notification | Response | Malformed


class Batch(msgspec.Struct, frozen=True, gc=False):
    """Messages that came as one array (MCP 2025-03-26), each as its own text."""

    parts: tuple[bytes, ...]


class _Envelope(msgspec.Struct, gc=False):
    jsonrpc: str
    id: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    method: str | msgspec.UnsetType = msgspec.UNSET
    params: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    result: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    error: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


_NO_JSON: Final = Malformed(PARSE_ERROR, "The body is not valid JSON in UTF-8.")
_NO_ID: Final = "The id must be a string or an integer."
_LONG_ID: Final = f"The id is longer than {MAX_ID_BYTES} bytes."
_decode_envelope: Final = msgspec.json.Decoder(_Envelope).decode
_decode_marks: Final = msgspec.json.Decoder(Marks).decode
_decode_plain: Final = msgspec.json.Decoder(PlainMarks).decode
_WHITE_SPACE: Final = b" \t\r\n"
_BEGINS_NULL: Final = ord("n")
"""Clients of languages with optional values write null where they have no params; no other value begins like it."""

_encode: Final = msgspec.json.encode


def parse_message(body: bytes) -> Message:
    """One message from a request body or an SSE event; never raises.

    Batches are refused (they left MCP with revision 2025-06-18). The id must be a string or an integer of at
    most 512 bytes of text. Of a repeated member the last one counts, here and for the backend alike. A lone
    surrogate escape may stand in params, results and errors, which keep it, but not in an id or a method.
    """
    try:
        if not body.isascii():
            body.decode()
        envelope = _decode_envelope(body)
    except msgspec.ValidationError:
        return _refuse_shape(body)
    except msgspec.DecodeError:
        return _parse_masked(body)
    except (UnicodeDecodeError, RecursionError):
        return _NO_JSON
    if envelope.jsonrpc != "2.0":
        return _refuse_version()
    return _classify(envelope)


def parse_body(body: bytes) -> Message | Batch:
    """What a client posts: one message, or a batch, whose messages are not looked at yet; never raises."""
    if body.startswith(b"{") or not body.lstrip(_WHITE_SPACE).startswith(b"["):
        return parse_message(body)
    if len(body) > MOST_BATCH_BYTES:
        return Malformed(INVALID_REQUEST, f"A batch may have {MOST_BATCH_BYTES} bytes; this one has {len(body)}.")
    try:
        body.decode()
        parts = surrogates.decode_items(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _NO_JSON
    if not parts:
        return Malformed(INVALID_REQUEST, "A batch has at least one message (JSON-RPC 2.0, section 6).")
    if len(parts) > MOST_BATCHED:
        return Malformed(INVALID_REQUEST, f"A batch may have {MOST_BATCHED} messages; this one has {len(parts)}.")
    return Batch(tuple(map(bytes, parts)))


def parse_answer(body: bytes, request_id: bytes) -> Message:
    """The same as `parse_message`, in one pass where it is the result for a request of ours, a number."""
    return parse_result(body, request_id) or parse_message(body)


def parse_result(body: bytes, request_id: bytes) -> Response | None:
    """The result for a request of ours, a number, written as nearly all write it; else None: see `parse_message`.

    Nearly all servers write the members of an answer in one of three orders and without white space between them.
    What stands between such a beginning and such an end is the result if it is one JSON object and nothing more:
    so one decoder run finds out that it is sound, where it ends, and what it says of itself.
    """
    text = body.rstrip(_WHITE_SPACE)
    result = _between(text, request_id)
    if result is None:
        return None
    try:
        if not text.isascii():
            text.decode()
        marks = _marks_in(result)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return Response(request_id, msgspec.Raw(result), None, marks)


def _marks_in(result: memoryview) -> Marks:
    """The marks of a result, plain ones of nearly all; raises what msgspec does."""
    try:
        marks = _decode_plain(result)
    except msgspec.ValidationError:
        return _decode_marks(result)
    if len(marks.content) <= _MOST_CONTENTS:
        return marks
    return Marks(marks.is_error, marks.meta, marks.structured, marks.result_type)


def _between(text: bytes, request_id: bytes) -> memoryview | None:
    head = b'{"jsonrpc":"2.0","id":%b,"result":' % request_id
    if text.startswith(head):
        return memoryview(text)[len(head) : -1] if text.endswith(b"}") else None
    if not text.startswith(b'{"result":'):
        return None
    for tail in (b',"jsonrpc":"2.0","id":%b}' % request_id, b',"id":%b,"jsonrpc":"2.0"}' % request_id):
        if text.endswith(tail):
            return memoryview(text)[len(b'{"result":') : -len(tail)]
    return None


def _parse_masked(body: bytes) -> Message:
    """What msgspec refuses to read: no JSON, or JSON with lone surrogates."""
    masked = surrogates.mask(body)
    if masked is None:
        return _NO_JSON
    try:
        envelope = _decode_envelope(masked.text)
    except msgspec.ValidationError:
        return _refuse_shape(body)
    except (msgspec.DecodeError, RecursionError):
        return _NO_JSON
    names = (envelope.jsonrpc, envelope.method)
    if any(name is not msgspec.UNSET and masked.is_in(name.encode()) for name in names):
        return _refuse_shape(body)
    if envelope.id is not msgspec.UNSET and masked.is_in(envelope.id):
        return Malformed(INVALID_REQUEST, _NO_ID)
    for member in ("params", "result", "error"):
        raw = getattr(envelope, member)
        if raw is not msgspec.UNSET:
            setattr(envelope, member, masked.restore(raw))
    return _refuse_version() if envelope.jsonrpc != "2.0" else _classify(envelope)


def _refuse_version() -> Malformed:
    return Malformed(INVALID_REQUEST, 'The member "jsonrpc" must be "2.0".')


def _refuse_shape(body: bytes) -> Malformed:
    if body.lstrip()[:1] == b"[":
        return Malformed(INVALID_REQUEST, "Batches are not supported; send one message per request.")
    return Malformed(INVALID_REQUEST, 'A message is an object with "jsonrpc": "2.0" and a text "method".')


def _classify(envelope: _Envelope) -> Message:
    raw_id = envelope.id
    params = envelope.params
    method = envelope.method
    request_id = None
    if raw_id is not msgspec.UNSET:
        request_id = bytes(raw_id)
        if len(request_id) > MAX_ID_BYTES or not _is_id(request_id):
            return Malformed(INVALID_REQUEST, _LONG_ID if _is_id(request_id) else _NO_ID)
    if method is not msgspec.UNSET:
        kept = None
        if params is not msgspec.UNSET:
            begin = memoryview(params)[0]
            if begin in b"{[":
                kept = params
            elif begin != _BEGINS_NULL:
                return Malformed(INVALID_REQUEST, "The params must be an object.", request_id)
        if request_id is None:
            return Notification(method, kept)
        return Request(request_id, method, kept)
    result = None if envelope.result is msgspec.UNSET else envelope.result
    error = None if envelope.error is msgspec.UNSET else envelope.error
    if request_id is None or (result is None) == (error is None):
        return Malformed(
            INVALID_REQUEST, "A message needs a method, or an id with one of result and error.", request_id
        )
    return Response(request_id, result, error)


def _is_id(raw: bytes) -> bool:
    return raw.isdigit() or raw.startswith(b'"') or raw.removeprefix(b"-").isdigit()


def encode_request(request_id: int, method: str, params: Raw | None) -> bytes:
    """A request with an id of ours."""
    head = b'{"jsonrpc":"2.0","id":%d,"method":%b' % (request_id, _encode(method))
    return b"".join((head, b',"params":', params, b"}")) if params is not None else head + b"}"


def encode_notification(method: str, params: Raw | None = None) -> bytes:
    """A notification."""
    head = b'{"jsonrpc":"2.0","method":' + _encode(method)
    return b"".join((head, b',"params":', params, b"}")) if params is not None else head + b"}"


def encode_result(request_id: bytes, result: Raw) -> bytes:
    """An answer with the caller's own id and a raw result."""
    return b"".join((b'{"jsonrpc":"2.0","id":', request_id, b',"result":', result, b"}"))


def encode_answer(request_id: bytes, result: Raw) -> Answer:
    """The same as `encode_result`, in parts where the result is large."""
    view = memoryview(result)
    if len(view) < _APART_BYTES:
        return encode_result(request_id, result)
    return b'{"jsonrpc":"2.0","id":%b,"result":' % request_id, view, b"}"


def encode_spliced(request_id: bytes, members: bytes, rest: memoryview) -> Answer:
    """An answer whose result begins with `members`; `rest` is a raw object without its opening brace, and not empty."""
    head = b'{"jsonrpc":"2.0","id":%b,"result":{%b,' % (request_id, members)
    return b"".join((head, rest, b"}")) if len(rest) < _APART_BYTES else (head, rest, b"}")


def size_of(answer: Answer) -> int:
    """The bytes of an answer."""
    return len(answer) if isinstance(answer, bytes) else sum(map(len, answer))


def encode_raw_error(request_id: bytes, error: Raw) -> bytes:
    """An answer with a backend's error object as it came."""
    return b"".join((b'{"jsonrpc":"2.0","id":', request_id, b',"error":', error, b"}"))


def encode_error(request_id: bytes | None, code: int, message: str, data: Raw | None = None) -> bytes:
    """An error of ours; the id is null where none could be read."""
    parts = [
        b'{"jsonrpc":"2.0","id":',
        request_id or b"null",
        b',"error":{"code":%d,"message":' % code,
        _encode(message),
    ]
    if data is not None:
        parts += (b',"data":', data)
    parts.append(b"}}")
    return b"".join(parts)
