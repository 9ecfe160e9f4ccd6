"""The layer that reads the body and finds the JSON-RPC message in it."""

from collections.abc import Callable
from enum import Enum
from typing import Final, TypeAlias

from vmcp_proxy.protocol.jsonrpc import Batch, Malformed, Notification, Request, parse_body
from vmcp_proxy.protocol.modern.eras import claims_modern
from vmcp_proxy.protocol.versions import SESSION_HEADER
from vmcp_proxy.serve.context import Handler, RequestContext
from vmcp_proxy.serve.http.unread import SHORT_BYTES
from vmcp_proxy.serve.rejections import (
    INCOMPLETE,
    LONG_WITHOUT_SESSION,
    UNKNOWN_SESSION,
    Rejection,
    malformed,
    too_large,
)

NAME: Final = "mcp_parsing"

RESPONSE: Final = "response"
"""What stands for the method when the client answers a request of the server."""

BATCH: Final = "batch"
"""What stands for the method of a batch as a whole."""


class BodyFault(Enum):
    """Why there is no body."""

    TOO_LARGE = "too large"
    INCOMPLETE = "incomplete"


async def read_body(context: RequestContext, max_body: int) -> bytes | BodyFault:
    """The whole body, at most `max_body` bytes, declared or chunked; what is beyond is not kept."""
    whole = context.take_body()
    if whole is not None:
        return whole if len(whole) <= max_body else BodyFault.TOO_LARGE
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


async def find_request(context: RequestContext) -> None:
    """Sets the `message` of a POST within a session that is refused by its headers alone, so that its id is answered.

    Nobody has vouched for the caller: a body that is long, or declares no length, is left unread.
    """
    length = context.header(b"content-length")
    if context.http_method != "POST" or context.header(SESSION_HEADER) is None:
        return
    if length is None or int(length) > SHORT_BYTES:
        return
    body = await read_body(context, SHORT_BYTES)
    message = body if isinstance(body, BodyFault) else parse_body(body)
    if isinstance(message, Request):
        context.message = message


IsOurs: TypeAlias = Callable[[str], bool]
"""Whether a session id was made here, without asking any store."""


def refuse_unread(context: RequestContext, is_ours: IsOurs) -> Rejection | None:
    """Why a long body is not even read: `None` where it may be, or where it is short.

    Who has no session has nothing long to say: only `initialize` comes without one, and the requests of the modern
    era. An id that was never given out answers like one that has ended.
    """
    length = context.header(b"content-length")
    if (length is not None and int(length) <= SHORT_BYTES) or claims_modern(context.header):
        return None
    session = context.header(SESSION_HEADER)
    if session is None:
        return None if length is None else LONG_WITHOUT_SESSION
    return None if is_ours(session.decode("latin-1")) else UNKNOWN_SESSION


def mcp_parsing(
    inner: Handler, max_body: int, around_each: Callable[[Handler], Handler], is_ours: IsOurs | None = None
) -> Handler:
    """Sets `body`, `message` and `rpc_method`; answers 413 and 400 for what is no message, 404 as `refuse_unread`.

    A batch gets `each` as well: what is inside this layer, within the layers that see every message of a batch.

    GET and DELETE carry no message: their `rpc_method` is the HTTP method.
    """
    each = around_each(inner)
    larger = too_large(max_body)

    async def handle(context: RequestContext) -> None:
        if context.http_method != "POST":
            context.rpc_method = context.http_method
            await inner(context)
            return
        most, refusal = max_body, larger
        # Of a head that comes again a request has no more than 4 KiB.
        if is_ours is not None and context.same_head is None:
            if (unread := refuse_unread(context, is_ours)) is not None:
                await context.reject(NAME, unread)
                return
            is_short = context.header(SESSION_HEADER) is None and not claims_modern(context.header)
            if is_short and max_body > SHORT_BYTES:
                most, refusal = SHORT_BYTES, LONG_WITHOUT_SESSION
        body = await read_body(context, most)
        if isinstance(body, BodyFault):
            await context.reject(NAME, refusal if body is BodyFault.TOO_LARGE else INCOMPLETE)
            return
        context.body = body
        message = parse_body(body)
        # The exact types, and first what nearly all are: to ask whether a struct is of another class, or of one of two,
        # takes ten times as long.
        if type(message) is Request or type(message) is Notification:
            context.message = message
            context.rpc_method = message.method
            await inner(context)
            return
        if isinstance(message, Malformed):
            context.malformed_id = message.id
            await context.reject(NAME, malformed(message))
            return
        context.message = message
        if isinstance(message, Batch):
            context.rpc_method = BATCH
            context.each = each
        else:
            context.rpc_method = RESPONSE
        await inner(context)

    return handle
