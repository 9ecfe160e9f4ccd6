"""Serves one client on two pipes through the same chain and dispatch as the network's clients."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from starlette.types import ASGIApp

from vmcp_proxy.observability.logs import log_event
from vmcp_proxy.protocol.jsonrpc import (
    Malformed,
    Notification,
    Request,
    Response,
    parse_message,
)
from vmcp_proxy.protocol.modern.eras import fields_of
from vmcp_proxy.protocol.params import InvalidParamsError, parse_members
from vmcp_proxy.serve.legacy.answers import invalid_request, shutting_down
from vmcp_proxy.serve.stdio.exchange import StdioExchange
from vmcp_proxy.serve.stdio.framing import LineBuffer, TooLong
from vmcp_proxy.serve.stdio.pipes import Input, Output, Pipes

logger: Final = logging.getLogger("vmcp.serve")

_CANCELLED: Final = "notifications/cancelled"

MOST_REQUESTS: Final = 1000
"""How many messages of the client may be in work at once."""

_FLUSH_SECONDS: Final = 1.0
_OK: Final = 200
_BUSY: Final = f"More than {MOST_REQUESTS} requests are in flight; wait for answers first."


@dataclass(frozen=True, slots=True)
class StdioListener:
    """An application and the pipes of its only client; `on_end` hears that the client has closed its side.

    `on_gone` hears that it does not read answers any more either. `limit` is the most bytes of a message, and may
    change.
    """

    app: ASGIApp
    pipes: Pipes
    limit: Callable[[], int]
    on_end: Callable[[], None]
    on_gone: Callable[[], None]

    def open(self) -> "StdioFront":
        """The front, which has the pipes from now on."""
        return StdioFront(self)


class StdioFront:
    """One client's messages, one a line.

    A message becomes a request of its own, so that a slow call holds up no other, but `initialize` is answered before
    the next message is looked at: that one belongs to the session. The session's own stream is opened when the client
    has something else to say. Requests of the modern era, which their bodies tell, belong to no session; here, where no
    connection ends with one, their client cancels them by a notification.
    """

    port: Final = 0

    def __init__(self, listener: StdioListener) -> None:
        self.listening: Final = asyncio.Event()
        self._listener: Final = listener
        self._lines: Final = LineBuffer(listener.limit())
        self._input: Final = Input(listener.pipes.reading)
        self._output: Final = Output(listener.pipes.writing, listener.on_gone)
        self._closing: Final = asyncio.Event()
        self._session: bytes | None = None
        self._stream: StdioExchange | None = None
        self._tasks: Final[set[asyncio.Task[None]]] = set()
        self._modern: Final[dict[bytes, StdioExchange]] = {}
        """The requests of the modern era that are in flight, by id."""

    async def run_until_closed(self) -> None:
        """Serves until `close_within` was called and nothing is in flight any more."""
        try:
            async with asyncio.TaskGroup() as group:
                reading = group.create_task(self._read(group))
                self.listening.set()
                await self._closing.wait()
                # Until then answers of the client to questions of a backend still have to come in.
                while self._tasks:
                    await asyncio.wait(self._tasks)
                reading.cancel()
            await self._output.flushed(_FLUSH_SECONDS)
        finally:
            self._input.close()
            self._output.close()

    def leave(self) -> None:
        """There is nowhere else to send the client to."""

    def discard(self) -> None:
        """Lets go of the pipes without having served."""
        self._input.close()
        self._output.close()

    def close_within(self, seconds: float) -> None:
        """Takes no new requests; those in flight end, or are cut by whoever counts the `seconds`."""
        del seconds
        self._closing.set()
        if self._stream is not None:
            self._stream.hang_up()

    async def _read(self, group: asyncio.TaskGroup) -> None:
        while chunk := await self._input.read():
            self._lines.limit = self._listener.limit()
            for line in self._lines.feed(chunk):
                await self._take(line, group)
        for line in self._lines.end():
            await self._take(line, group)
        log_event(logger, logging.INFO, "the client has closed its side")
        if self._output.has_gone():
            self._listener.on_gone()
        else:
            self._listener.on_end()

    async def _take(self, line: bytes | TooLong, group: asyncio.TaskGroup) -> None:
        if isinstance(line, TooLong):
            most = f"this endpoint takes at most {self._lines.limit} (limits.requestBody)"
            text = f"The message has {line.size} bytes; {most}."
            log_event(logger, logging.WARNING, "a message of the client is too large", bytes=line.size)
            await self._answer(invalid_request(line.request_id, text))
            return
        message = parse_message(line)
        if isinstance(message, Request):
            if self._closing.is_set():
                await self._answer(shutting_down(message.id))
                return
            if len(self._tasks) >= MOST_REQUESTS:
                await self._answer(invalid_request(message.id, _BUSY))
                return
            if message.method == "initialize":
                await self._initialize(line, group)
                return
            if fields := fields_of(message):
                self._start_modern(group, line, message.id, fields)
                return
        elif isinstance(message, Notification) and self._cancels(message):
            return
        # Nothing is answered to what wants no answer, not even that it was refused.
        self._start(group, "POST", line, is_silent=isinstance(message, Notification | Response))
        if self._session is not None and self._stream is None and not isinstance(message, Malformed):
            self._stream = self._start(group, "GET")

    async def _initialize(self, line: bytes, group: asyncio.TaskGroup) -> None:
        exchange = StdioExchange(self._output, "POST", line, None, is_silent=False)
        await self._listener.app(exchange.scope, exchange.receive, exchange.send)
        if exchange.session_id is None:
            return
        if self._session is not None:
            # The client has begun anew; what it had before is of no use to it any more.
            self._start(group, "DELETE", is_silent=True)
        self._session, self._stream = exchange.session_id, None

    def _start_modern(
        self, group: asyncio.TaskGroup, line: bytes, request_id: bytes, fields: Sequence[tuple[bytes, bytes]]
    ) -> None:
        exchange = StdioExchange(self._output, "POST", line, None, is_silent=False, fields=fields)
        self._modern[request_id] = exchange

        def forget(_: object) -> None:
            # Clients may repeat ids.
            if self._modern.get(request_id) is exchange:
                del self._modern[request_id]

        self._run(group, exchange).add_done_callback(forget)

    def _cancels(self, message: Notification) -> bool:
        """Whether a notification has given up a request of the modern era."""
        if message.method != _CANCELLED or not self._modern:
            return False
        try:
            request_id = parse_members(message.params).get("requestId", b"")
        except InvalidParamsError:
            return False
        exchange = self._modern.pop(bytes(request_id), None)
        if exchange is None:
            return False
        exchange.cancel()
        return True

    def _start(
        self, group: asyncio.TaskGroup, method: str, body: bytes = b"", *, is_silent: bool = False
    ) -> StdioExchange:
        exchange = StdioExchange(self._output, method, body, self._session, is_silent=is_silent or method == "GET")
        self._run(group, exchange)
        return exchange

    def _run(self, group: asyncio.TaskGroup, exchange: StdioExchange) -> "asyncio.Task[None]":
        task = group.create_task(self._serve(exchange))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _serve(self, exchange: StdioExchange) -> None:
        await self._listener.app(exchange.scope, exchange.receive, exchange.send)
        if exchange is self._stream and exchange.status == _OK:
            # It ended although the session did not: the next message opens another.
            self._stream = None

    async def _answer(self, answer: bytes) -> None:
        await self._output.write((answer, b"\n"))
