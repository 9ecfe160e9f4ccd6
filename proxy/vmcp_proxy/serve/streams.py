"""The way back to a client: one JSON answer, or an event stream once there is something to say before it."""

import asyncio
import contextlib
import time
from typing import Final

from vmcp_proxy.protocol.sse import KEEP_ALIVE, encode_event
from vmcp_proxy.serve.context import EVENT_STREAM, RequestContext
from vmcp_proxy.serve.header_rules import accepts
from vmcp_proxy.sessions import Session

_COMMENT_SECONDS: Final = 1.0


class PostExchange:
    """The answer to one POST; becomes an event stream with the first message or comment before the answer.

    A client that does not accept event streams gets the answer only.
    """

    __slots__ = ("_context", "_lock", "_session", "last_write")

    def __init__(self, context: RequestContext, session: Session, now: float) -> None:
        self._context = context
        self._session = session
        self._lock: asyncio.Lock | None = None
        self.last_write = now

    async def send(self, message: bytes) -> None:
        """See `Exchange.send`."""
        await self._write(encode_event(message))

    async def comment(self) -> None:
        """Keeps the connection open through proxies that cut idle ones, and the session in use."""
        self._session.touch(time.monotonic())
        if self._lock is None or not self._lock.locked():
            await self._write(KEEP_ALIVE)

    async def finish(self, answer: bytes) -> None:
        """Sends the answer and ends the response."""
        if self._lock is None:
            await self._context.respond(200, answer)
            return
        async with self._lock:
            if not self._context.response_started:
                await self._context.respond(200, answer)
                return
            await self._context.write(encode_event(answer))
            await self._context.finish()

    async def _write(self, chunk: bytes) -> None:
        context = self._context
        if not accepts(context.header(b"accept"), EVENT_STREAM):
            return
        if self._lock is None:
            if context.response_started:
                return
            self._lock = asyncio.Lock()
        self.last_write = asyncio.get_running_loop().time()
        async with self._lock:
            if context.response_complete:
                return
            if not context.response_started:
                await context.start_stream()
            await context.write(chunk)


class KeepAlive:
    """Comments on every exchange that has been silent for `interval` seconds; one task for all of them."""

    def __init__(self, interval: float) -> None:
        self.interval = interval
        self._exchanges: Final[set[PostExchange]] = set()

    def add(self, exchange: PostExchange) -> None:
        """Begins to look after an exchange."""
        self._exchanges.add(exchange)

    def discard(self, exchange: PostExchange) -> None:
        """Stops looking after it."""
        self._exchanges.discard(exchange)

    async def run(self) -> None:
        """Looks at the exchanges forever."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(min(self.interval / 2, 1.0))
            silent = loop.time() - self.interval
            # Side by side: a client that does not read must not hold up the comments of the others.
            async with asyncio.TaskGroup() as group:
                for exchange in [each for each in self._exchanges if each.last_write <= silent]:
                    group.create_task(self._comment(exchange))

    async def _comment(self, exchange: PostExchange) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_COMMENT_SECONDS):
                await exchange.comment()
