"""What a backend says, read leniently and handed to its receiver."""

from typing import Final

import msgspec

from vmcp_proxy.backends.errors import BackendError, Category
from vmcp_proxy.backends.interface import Receiver, Reply
from vmcp_proxy.protocol import jsonrpc, params
from vmcp_proxy.protocol.error_codes import METHOD_NOT_FOUND, UNSUPPORTED_VERSION
from vmcp_proxy.protocol.params import InvalidParamsError

_MOST_BATCH_BYTES: Final = 4 << 20
_MOST_BATCHED: Final = 1000
"""Bounds of an array of messages: one of `1`s would take many times its size."""

_NUMBER_BYTES: Final = 18
"""More than any id of ours has; Python refuses to read very long numbers."""

_WRITTEN_BYTES: Final = 128
_CODE_BYTES: Final = 6
_LEAST_INEXACT: Final = 1 << 53
_NULLABLE: Final = ("params", "method", "result", "error")

_decode_number: Final = msgspec.json.Decoder(str | float).decode
_decode_batch: Final = msgspec.json.Decoder(list[msgspec.Raw]).decode


def parse_incoming(data: bytes, awaited: bytes | None = None) -> tuple[jsonrpc.Message, ...]:
    """The messages in one frame of a backend's, perhaps the answer to the `awaited` request; never raises.

    Servers write members that are null where they mean none, ids as text or with a fraction, and revisions before
    2025-06-18 let them send several messages in one array. All of it is read as it is meant, as SDK clients do.
    """
    message = jsonrpc.parse_message(data) if awaited is None else jsonrpc.parse_answer(data, awaited)
    if not isinstance(message, jsonrpc.Malformed):
        return (message,)
    if data.lstrip()[:1] != b"[":
        return (_as_meant(data) or message,)
    if len(data) > _MOST_BATCH_BYTES:
        return (message,)
    try:
        batch = _decode_batch(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return (message,)
    if len(batch) > _MOST_BATCHED:
        return (message,)
    return tuple(_parse_one(bytes(each)) for each in batch)


def _parse_one(data: bytes) -> jsonrpc.Message:
    message = jsonrpc.parse_message(data)
    if not isinstance(message, jsonrpc.Malformed):
        return message
    return _as_meant(data) or message


def _as_meant(data: bytes) -> jsonrpc.Message | None:
    """The message without members that are null, and with a whole number as its id."""
    try:
        members = params.parse_members(data)
    except InvalidParamsError:
        return None
    for name in _NULLABLE:
        if bytes(members.get(name, b"")) == b"null":
            del members[name]
    number = number_of(bytes(members.get("id", b"")))
    if number is not None:
        members["id"] = msgspec.Raw(b"%d" % number)
    return jsonrpc.parse_message(params.encode_members(members))


def number_of(raw: bytes) -> int | None:
    """The number of ours that an id or a token stands for, also as text (`"7"`) or with a fraction (`7.0`)."""
    if raw.isdigit():
        return int(raw) if len(raw) <= _NUMBER_BYTES else None
    if not raw or len(raw) > _WRITTEN_BYTES:
        return None
    try:
        written = _decode_number(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    if isinstance(written, str):
        digits = written.strip()
        return int(digits) if digits.isascii() and digits.isdigit() and len(digits) <= _NUMBER_BYTES else None
    return int(written) if 0 <= written < _LEAST_INEXACT and written == int(written) else None


def is_answer_to(request_id: bytes, message: jsonrpc.Response) -> bool:
    """Whether a response is the one to a request of ours, whose id is a number."""
    return message.id == request_id or number_of(message.id) == int(request_id)


def sound(backend: str, answer: jsonrpc.Response) -> jsonrpc.Response:
    """The answer, where a client can read it: an object as result (MCP), or an error (JSON-RPC 2.0 section 5.1).

    Raises:
        BackendError: it is none.
    """
    # A result with marks has been decoded as an object.
    if answer.marks is None and not (is_error(answer.error) if answer.result is None else _is_object(answer.result)):
        raise BackendError(backend, Category.PROTOCOL)
    return answer


def is_error(error: msgspec.Raw | None) -> bool:
    """Whether it is an error of JSON-RPC 2.0 (section 5.1)."""
    try:
        members = params.parse_members(error)
    except InvalidParamsError:
        return False
    code, message = bytes(members.get("code", b"")), members.get("message", b"")
    return code.removeprefix(b"-").isdigit() and bytes(memoryview(message)[:1]) == b'"'


def _is_object(result: msgspec.Raw) -> bool:
    return bytes(memoryview(result)[:1]) == b"{"


def is_ping(message: jsonrpc.Message) -> bool:
    """Whether it asks if we are there, which no client need be asked."""
    return isinstance(message, jsonrpc.Request) and message.method == "ping"


async def hand_over(message: jsonrpc.Message, receiver: Receiver, reply: Reply) -> None:
    """Hands over what is no answer; a ping is answered here."""
    if isinstance(message, jsonrpc.Notification):
        await receiver.on_notification(message.method, message.params)
    elif isinstance(message, jsonrpc.Request):
        if message.method == "ping":
            await reply(jsonrpc.encode_result(message.id, b"{}"))
        else:
            await receiver.on_request(message, reply)


def lacks_method(answer: jsonrpc.Response) -> bool:
    """Whether the backend says that it does not have the method: servers with resources often have no templates."""
    return code_of(answer.error) == METHOD_NOT_FOUND


def code_of(error: msgspec.Raw | bytes | None) -> int | None:
    """The code of a JSON-RPC error; None where there is none that could be one of MCP's."""
    try:
        code = bytes(params.parse_members(error).get("code", b""))
    except InvalidParamsError:
        return None
    return int(code) if code.removeprefix(b"-").isdigit() and len(code) <= _CODE_BYTES else None


def names_revision(error: msgspec.Raw | bytes | None, revision: str) -> bool:
    """Whether it refuses a revision, and says in its data that this one is spoken (MCP 2026-07-28)."""
    if code_of(error) != UNSUPPORTED_VERSION:
        return False
    try:
        supported = params.parse_members(params.parse_members(error).get("data")).get("supported", b"")
        return revision in msgspec.json.decode(supported, type=list[str])
    except (InvalidParamsError, msgspec.DecodeError, UnicodeDecodeError):
        return False
