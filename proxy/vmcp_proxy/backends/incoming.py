"""What a backend says, read leniently and handed to its receiver."""

from typing import Final

import msgspec

from vmcp_proxy.backends.client import Receiver, Reply
from vmcp_proxy.backends.errors import BackendError, Category
from vmcp_proxy.protocol import jsonrpc, params
from vmcp_proxy.protocol.params import InvalidParamsError

_MOST_BATCH_BYTES: Final = 4 << 20
_MOST_BATCHED: Final = 1000
"""Bounds of an array of messages: one of `1`s would take many times its size."""

_decode_batch: Final = msgspec.json.Decoder(list[msgspec.Raw]).decode


def parse_incoming(data: bytes, awaited: bytes | None = None) -> tuple[jsonrpc.Message, ...]:
    """The messages in one frame of a backend's, perhaps the answer to the `awaited` request; never raises.

    Servers write `"params": null` where they mean none, and revision 2025-03-26 lets them send several messages
    in one array. Both are read as they are meant.
    """
    message = jsonrpc.parse_message(data) if awaited is None else jsonrpc.parse_answer(data, awaited)
    if not isinstance(message, jsonrpc.Malformed):
        return (message,)
    if data.lstrip()[:1] != b"[":
        return (_without_null_params(data) or message,)
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
    return _without_null_params(data) or message


def _without_null_params(data: bytes) -> jsonrpc.Message | None:
    try:
        members = params.parse_members(data)
    except InvalidParamsError:
        return None
    if bytes(members.pop("params", b"")) != b"null":
        return None
    return jsonrpc.parse_message(params.encode_members(members))


def sound(backend: str, answer: jsonrpc.Response) -> jsonrpc.Response:
    """The answer, where a client can read it: an object as result (MCP), or an error (JSON-RPC 2.0 section 5.1).

    Raises:
        BackendError: it is none.
    """
    # A result with marks has been decoded as an object.
    if answer.marks is None and not (_is_error(answer.error) if answer.result is None else _is_object(answer.result)):
        raise BackendError(backend, Category.PROTOCOL)
    return answer


def _is_error(error: msgspec.Raw | None) -> bool:
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
