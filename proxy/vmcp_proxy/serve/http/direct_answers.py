"""Bodies and answers that are handed over by the server's own objects directly, past what ASGI messages cost."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AbstractContextManager, nullcontext
from typing import Final

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from vmcp_proxy.protocol.jsonrpc import Answer, size_of
from vmcp_proxy.protocol.sse import Pieces
from vmcp_proxy.serve.http.protocol import BoundedHttpProtocol
from vmcp_proxy.serve.http.unread import SHORT_BYTES

_ANSWER: Final = b"HTTP/1.1 200 OK\r\n%bcontent-type: application/json\r\ncontent-length: %d\r\n\r\n"


def has_gone(send: object) -> bool:
    """Whether the client that `send` leads to has closed its connection, or its side: what it is sent may be lost."""
    cycle = getattr(send, "__self__", None)
    if isinstance(cycle, RequestResponseCycle) and cycle.disconnected:
        return True
    connection = _connection_of(send)
    return connection is not None and connection.is_half_closed


def when_gone(send: object, told: Callable[[], None]) -> BoundedHttpProtocol | None:
    """Has the client's going told, once, until `on_gone` of the connection is taken away.

    None where `send` leads to no connection of ours. Where the client has gone already it is told soon: never before
    this returns.
    """
    # As `_connection_of`, without its frame.
    cycle = getattr(send, "__self__", None)
    connection = getattr(getattr(cycle, "on_response", None), "__self__", None)
    if not isinstance(connection, BoundedHttpProtocol):
        return None
    connection.on_gone = told
    if connection.is_half_closed or (isinstance(cycle, RequestResponseCycle) and cycle.disconnected):
        connection.loop.call_soon(connection.tell_gone)
    return connection


def waiting(send: object, size: int) -> AbstractContextManager[None]:
    """Has bytes count as unread that wait for their turn on the connection that `send` leads to."""
    connection = _connection_of(send) if size > SHORT_BYTES else None
    return nullcontext() if connection is None else connection.behind(size)


def room(send: object, size: int) -> AbstractAsyncContextManager[None]:
    """Waits until there is room, over all connections, for bytes that are written to `send` within the block.

    Whoever is short, or has no client any more, does not wait.
    """
    if size <= SHORT_BYTES or getattr(getattr(send, "__self__", None), "disconnected", False):
        return nullcontext()
    connection = _connection_of(send)
    return nullcontext() if connection is None else connection.room(size)


def release_head(send: object) -> None:
    """Says that the request that `send` answers keeps nothing long of its head while its answer goes on."""
    if (connection := _connection_of(send)) is not None:
        connection.release_served()


def _connection_of(send: object) -> BoundedHttpProtocol | None:
    connection = getattr(getattr(getattr(send, "__self__", None), "on_response", None), "__self__", None)
    return connection if isinstance(connection, BoundedHttpProtocol) else None


def take_body(receive: object) -> bytes | None:
    """The body of a request that has come whole, once; None where it has to be waited for, as ASGI messages.

    `receive` is what the server has given to the application. What it gives from then on is the same as if the body
    had come from it.
    """
    cycle = getattr(receive, "__self__", None)
    if (
        type(cycle) is not RequestResponseCycle
        or cycle.more_body
        or cycle.disconnected
        or cycle.response_complete
        or cycle.waiting_for_100_continue
        or not cycle.message_event.is_set()
    ):
        return None
    cycle.flow.resume_reading()
    cycle.message_event.clear()
    body, cycle.body = bytes(cycle.body), bytearray()
    return body


async def write_long_answer(send: object, body: Answer) -> int:
    """As `write_answer`, for an answer of any size: a long one waits until there is room for it."""
    size = size_of(body)
    if size <= SHORT_BYTES:
        return 0
    async with room(send, size):
        return write_answer(send, body, has_room=True)


def write_answer(send: object, body: Answer, *, has_room: bool = False) -> int:
    """Writes a whole JSON answer with status 200 at once; its bytes, 0 where it has to go the long way, by messages.

    `send` is what the server has given to the application. The bytes are the same either way, but half of what an
    answer costs in the server is for cases that this is not: other headers, streams, a last answer, a client that
    reads too slowly. One over `SHORT_BYTES` is not written unless it `has_room`.
    """
    cycle = getattr(send, "__self__", None)
    if (
        type(cycle) is not RequestResponseCycle
        or cycle.response_started
        or cycle.disconnected
        or cycle.access_log
        or not cycle.keep_alive
        or cycle.flow.write_paused
        or cycle.scope["method"] == "HEAD"
    ):
        return 0
    size = size_of(body)
    if size > SHORT_BYTES and not has_room:
        return 0
    fields = b"".join([b"%b: %b\r\n" % pair for pair in cycle.default_headers])
    parts = (_ANSWER % (fields, size), *body) if isinstance(body, tuple) else (_ANSWER % (fields, size), body)
    if size <= SHORT_BYTES:
        cycle.transport.write(b"".join(parts))
    else:
        cycle.transport.writelines(parts)
    cycle.waiting_for_100_continue = False
    cycle.chunked_encoding = False
    cycle.response_started = cycle.response_complete = True
    cycle.message_event.set()
    cycle.on_response()
    return size


async def write_pieces(send: object, chunk: Pieces) -> bool:
    """Writes the next bytes of a stream as they are, without a copy; False where they have to go as an ASGI message.

    Waits while the client is slow, does nothing once it has gone.
    """
    cycle = getattr(send, "__self__", None)
    if (
        type(cycle) is not RequestResponseCycle
        or not cycle.response_started
        or cycle.response_complete
        or not cycle.chunked_encoding
        or cycle.scope["method"] == "HEAD"
    ):
        return False
    if cycle.flow.write_paused and not cycle.disconnected:
        await cycle.flow.drain()
    if not cycle.disconnected:
        pieces = chunk if isinstance(chunk, tuple) else (chunk,)
        cycle.transport.writelines((b"%x\r\n" % size_of(pieces), *pieces, b"\r\n"))
    return True
