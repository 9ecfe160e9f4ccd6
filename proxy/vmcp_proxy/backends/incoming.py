"""What a backend says, read leniently and handed to its receiver."""

from typing import Final

import msgspec

from vmcp_proxy.backends.client import Receiver, Reply
from vmcp_proxy.protocol import jsonrpc, params
from vmcp_proxy.protocol.params import InvalidParamsError

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
    try:
        batch = _decode_batch(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
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
