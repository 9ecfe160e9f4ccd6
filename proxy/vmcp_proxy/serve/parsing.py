"""The layer that reads the body and finds the JSON-RPC message in it."""

from collections.abc import Callable
from enum import Enum
from typing import Final

from vmcp_proxy.protocol.jsonrpc import INVALID_REQUEST, Batch, Malformed, Notification, Request, parse_body
from vmcp_proxy.serve.context import Handler, RequestContext
from vmcp_proxy.serve.header_validation import TOO_LARGE, HttpRefusal

NAME: Final = "mcp_parsing"

RESPONSE: Final = "response"
"""What stands for the method when the client answers a request of the server."""

BATCH: Final = "batch"
"""What stands for the method of a batch as a whole."""

INCOMPLETE: Final = HttpRefusal(400, "The request body is incomplete.", INVALID_REQUEST)


class BodyFault(Enum):
    """Why there is no body."""

    TOO_LARGE = "too large"
    INCOMPLETE = "incomplete"


async def read_body(context: RequestContext, max_body: int) -> bytes | BodyFault:
    """The whole body, at most `max_body` bytes, declared or chunked; what is beyond is not kept."""
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await context.receive()
        if message["type"] == "http.disconnect":
            return BodyFault.INCOMPLETE
        chunk: bytes = message.get("body", b"")
        size += len(chunk)
        if size > max_body:
            return BodyFault.TOO_LARGE
        if not message.get("more_body", False):
            return b"".join((*chunks, chunk)) if chunks else chunk
        chunks.append(chunk)


def mcp_parsing(inner: Handler, max_body: int, around_each: Callable[[Handler], Handler]) -> Handler:
    """Sets `body`, `message` and `rpc_method`; answers 413 and 400 for what is no message.

    A batch gets `each` as well: what is inside this layer, within the layers that see every message of a batch.

    GET and DELETE carry no message: their `rpc_method` is the HTTP method.
    """
    each = around_each(inner)

    async def handle(context: RequestContext) -> None:
        if context.http_method != "POST":
            context.rpc_method = context.http_method
            await inner(context)
            return
        body = await read_body(context, max_body)
        if isinstance(body, BodyFault):
            refusal = TOO_LARGE if body is BodyFault.TOO_LARGE else INCOMPLETE
            await context.reject(NAME, refusal.status, refusal.code, refusal.message)
            return
        context.body = body
        message = parse_body(body)
        if isinstance(message, Malformed):
            context.malformed_id = message.id
            await context.reject(NAME, 400, message.code, message.message)
            return
        context.message = message
        if isinstance(message, Request | Notification):
            context.rpc_method = message.method
        elif isinstance(message, Batch):
            context.rpc_method = BATCH
            context.each = each
        else:
            context.rpc_method = RESPONSE
        await inner(context)

    return handle
