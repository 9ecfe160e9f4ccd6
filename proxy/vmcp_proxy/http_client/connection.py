"""One connection: writes a request, reads its response, keeps its deadlines."""

import asyncio
import socket
import ssl
from collections.abc import Callable
from typing import Final, Literal, Protocol, TypeAlias, cast

from vmcp_proxy.http_client.body_filler import BodyFiller
from vmcp_proxy.http_client.errors import (
    HttpError,
    PeerClosed,
    PoolClosed,
    ProtocolError,
    ResponseTooLarge,
    Timeout,
    TlsFailed,
)
from vmcp_proxy.http_client.limits import ClientLimits
from vmcp_proxy.http_client.reader import Message, ResponseReader
from vmcp_proxy.http_client.response import Response
from vmcp_proxy.protocol.tls_trouble import explain_tls_error

HIGH_WATER: Final = 64 << 10
"""Body bytes that are buffered before anybody reads them; then the peer has to wait."""
_JOINED: Final = 64 << 10
"""Bodies up to this size are copied behind their head, so that both leave in one segment."""

_IN_PLACE: Final = 64 << 10
"""From this much on that is still to come, a body is worth an object of its own that reads it where it stays."""

_SETTLING_SECONDS: Final = 0.2
_SETTLING_BYTES: Final = 16 << 10
"""How long, and for how much, a connection is kept for the end of a body that nobody reads any more."""

Awaited: TypeAlias = Literal["head", "small", "part", "enough", "end", "nothing"]
"""What wakes the waiting task: the head; the head, with the body if that is declared small; some of the
body; as much as its reader says; all of it. Nothing: no task waits for the rest of the body, it only has to go by."""


class Owner(Protocol):
    """Who is told about a connection: the pool."""

    def release(self, connection: "Connection") -> None:
        """Take back a connection that may carry another request."""

    def retire(self, connection: "Connection") -> None:
        """Stop counting a connection: it is closing."""

    def forget(self, connection: "Connection") -> None:
        """Drop the last reference: it is closed."""


_KEEP_ALIVE_PROBES: Final = {"TCP_KEEPIDLE": 30, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 3}
"""Seconds of silence before the first probe, seconds between probes, probes without an answer."""


class Connection(asyncio.Protocol):
    """An HTTP/1.1 connection, driven by its transport and by one task at a time.

    It is idle without a response, busy with one, and closed for good from its first ``error`` on. A response
    that is complete leaves it at once, so that the next request never waits for a reader.

    One timer serves all deadlines. A later deadline lets it ring in vain and move on, so that a busy
    connection arms a timer once per timeout, not once per request.
    """

    __slots__ = (
        "_awaited", "_cap", "_deadline", "_expiry", "_is_paused", "_limits", "_loop", "_old_from", "_owner", "_reader",
        "_response", "_rings_at", "_take", "_timer", "_transport", "_waiter", "error", "served",
    )  # fmt: skip

    _transport: asyncio.Transport  # there from connection_made() on, before which nobody has the connection

    def __init__(self, loop: asyncio.AbstractEventLoop, owner: Owner, limits: ClientLimits) -> None:
        self._loop = loop
        self._owner = owner
        self._limits = limits
        self._reader = ResponseReader(limits.max_header_bytes)
        self._response: Message | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._awaited: Awaited = "head"
        self._take: Callable[[], bool] | None = None
        self._cap = 0
        self._expiry = limits.keep_alive_expiry
        self._is_paused = False
        self._deadline = self._rings_at = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._old_from = loop.time() + limits.max_age
        self.error: HttpError | None = None
        self.served = 0

    @property
    def is_usable(self) -> bool:
        """Whether a request may be written: not closed as far as the event loop knows."""
        return self.error is None and not self._transport.is_closing()

    @property
    def is_old(self) -> bool:
        """Whether it should not be used for another request."""
        return self._loop.time() >= self._old_from

    # The task's side.

    async def exchange(
        self, head: bytes, body: bytes | None, *, is_head: bool, awaited: Awaited, deadline: float
    ) -> Response:
        """Send a request and wait for its response's head; whatever goes wrong closes the connection."""
        self.served += 1
        self._response = response = Response(self)
        self._reader.begin(response, is_head=is_head)
        if body is None:
            self._transport.write(head)
        elif len(body) <= _JOINED:
            self._transport.write(head + body)
        else:
            self._transport.write(head)
            self._transport.write(body)
        try:
            await self._start_waiting(awaited, deadline)
        except asyncio.CancelledError:
            self.abandon(response)
            raise
        return response

    async def wait_for_part(self, message: Message, idle_timeout: float | None) -> None:
        self._check(message)
        seconds = float("inf") if idle_timeout is None else idle_timeout
        await self._wait_for_body(message, "part", seconds)

    async def wait_until(self, message: Message, take: Callable[[], bool]) -> bool:
        self._check(message)
        self._take = take
        try:
            await self._wait_for_body(message, "enough", float("inf"))
            return self._take is None
        finally:
            self._take = None

    async def wait_for_end(self, message: Message, max_bytes: int, seconds: float, *, is_reserved: bool) -> None:
        self._check(message)
        self._cap = max_bytes
        if max(message.size, message.length or 0) > max_bytes:
            self._fail(ResponseTooLarge(max_bytes))
            self._check(message)
        if is_reserved and message.length is not None and message.length - message.size >= _IN_PLACE:
            self._read_in_place(message, message.length)
        await self._wait_for_body(message, "end", seconds)

    def settle(self, message: Message) -> None:
        if self._response is not message:
            return
        self._response = self._reader.replace_message()
        self._awaited = "nothing"
        self._resume()
        self._arm(self._loop.time() + _SETTLING_SECONDS)

    def abandon(self, message: Message) -> None:
        if self._response is message:
            self.close()

    def go_idle(self) -> None:
        """Stay open, unused, for the keep-alive expiry."""
        self._arm(self._loop.time() + self._expiry)

    def close(self) -> None:
        """Close at once; a task that waits here gets PoolClosed."""
        self._fail(PoolClosed(sent=self._response is not None))

    # The transport's side.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are asyncio.Transport by behaviour, not by type.
        self._transport = cast("asyncio.Transport", transport)
        if transport.get_extra_info("sslcontext") is not None:
            self._expiry = self._limits.tls_keep_alive_expiry
        _probe_when_silent(transport)

    def data_received(self, data: bytes) -> None:
        message = self._response
        if message is None:
            self._fail(ProtocolError("bytes without a request"))
            return
        try:
            self._reader.feed(data)
        except (ProtocolError, TlsFailed) as error:
            self._fail(error)
            return
        if message.complete:
            self._finish()
        elif self._awaited == "nothing":
            message.parts.clear()
            if message.size > _SETTLING_BYTES:
                self.close()
        else:
            self._go_on(message)

    def _go_on(self, message: Message) -> None:
        """Wakes the task that waits for as much as there is now, and holds the peer back where nobody does."""
        waiter = self._waiter
        if waiter is not None and self._awaited == "end":
            if message.size > self._cap:
                self._fail(ResponseTooLarge(self._cap))
        elif waiter is not None and self._take is not None:
            if self._take():
                self._take = None
                self._wake(waiter)
        else:
            if message.size > HIGH_WATER:
                self._pause()
            is_held = self._awaited == "small" and _is_small(message)
            if waiter is not None and message.has_head and not is_held:
                self._wake(waiter)

    def eof_received(self) -> None:
        if self._response is None:
            return  # the transport closes itself next
        try:
            self._reader.feed_eof()
        except PeerClosed as error:
            self._fail(error)
        else:
            self._finish()

    def connection_lost(self, exc: Exception | None) -> None:
        is_busy = self._response is not None
        if isinstance(exc, ssl.SSLError):
            self._fail(TlsFailed(explain_tls_error(exc), sent=is_busy))
        else:
            self._fail(PeerClosed(sent=is_busy, started=is_busy and self._reader.has_started))
        self._owner.forget(self)

    # Between the two.

    def _start_waiting(self, awaited: Awaited, deadline: float) -> asyncio.Future[None]:
        self._awaited = awaited
        self._waiter = waiter = self._loop.create_future()
        self._arm(deadline)
        return waiter

    async def _wait_for_body(self, message: Message, awaited: Awaited, seconds: float) -> None:
        self._resume()
        try:
            await self._start_waiting(awaited, self._loop.time() + seconds)
        except asyncio.CancelledError:
            self.abandon(message)
            raise

    def _read_in_place(self, message: Message, length: int) -> None:
        """Hands reading over to an object that fills the body; its memory is that of all ``length`` bytes."""
        transport = self._transport
        if transport.is_closing():
            return  # the waiter hears of it

        def done() -> None:
            if self._response is message:
                self._hand_to(self)
                self._reader.complete(length)
                self._finish()

        parts, message.parts = message.parts, []
        message.filler = BodyFiller(length, parts, self, done)
        self._hand_to(message.filler)

    def _hand_to(self, protocol: asyncio.BaseProtocol) -> None:
        """Has the transport read by another protocol: it looks at the kind only where it begins to read."""
        self._transport.pause_reading()
        self._transport.set_protocol(protocol)
        self._transport.resume_reading()
        self._is_paused = False

    def _check(self, message: Message) -> None:
        if self._response is not message:
            raise self.error or PoolClosed(sent=True)

    def _wake(self, waiter: asyncio.Future[None]) -> None:
        self._waiter = None
        if not waiter.done():
            waiter.set_result(None)

    def _finish(self) -> None:
        """Let go of a complete response, and of the connection."""
        self._response = None
        self._reader.let_go()
        if self._waiter is not None:
            self._wake(self._waiter)
        if self._reader.reusable and not self._transport.get_write_buffer_size():
            self._resume()
            self._owner.release(self)
        else:
            self._fail(PeerClosed(sent=False))

    def _fail(self, error: HttpError) -> None:
        if self.error is not None:
            return
        self.error = error
        self._response = None
        self._reader.let_go()
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_exception(error)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._transport.abort()
        self._owner.retire(self)

    def _pause(self) -> None:
        if not self._is_paused and not self._transport.is_closing():
            self._is_paused = True
            self._transport.pause_reading()

    def _resume(self) -> None:
        if self._is_paused and not self._transport.is_closing():
            self._is_paused = False
            self._transport.resume_reading()

    def _arm(self, deadline: float) -> None:
        self._deadline = deadline
        if self._timer is not None:
            if self._rings_at <= deadline:
                return
            self._timer.cancel()
            self._timer = None
        if deadline != float("inf"):
            self._rings_at = deadline
            self._timer = self._loop.call_at(deadline, self._ring)

    def _ring(self) -> None:
        self._timer = None
        response = self._response
        if response is not None and self._waiter is None and self._awaited != "nothing":
            return  # the caller holds the response and waits for nothing
        if self._loop.time() < self._deadline:
            self._arm(self._deadline)
        elif response is None:
            self._fail(PeerClosed(sent=False))
        elif response.has_head:
            self._fail(Timeout("body", sent=True))
        else:
            self._fail(Timeout("send" if self._transport.get_write_buffer_size() else "head", sent=True))

    def __repr__(self) -> str:
        state = "closed" if self.error is not None else "idle" if self._response is None else "busy"
        return f"<Connection {state}, {self.served} served>"


def _is_small(message: Message) -> bool:
    return message.length is not None and message.length <= HIGH_WATER


def _probe_when_silent(transport: asyncio.BaseTransport) -> None:
    """Have the kernel find out about a peer that vanished: a stream may be silent for hours and mean it."""
    peer = transport.get_extra_info("socket")
    if peer is None:
        return
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in _KEEP_ALIVE_PROBES.items():
        if hasattr(socket, option):
            peer.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
