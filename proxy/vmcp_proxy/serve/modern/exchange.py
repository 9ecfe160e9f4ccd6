"""The way back to a client without a session: one JSON answer, or a stream once something is to be said before it."""

import asyncio
from collections.abc import Awaitable, Callable

from vmcp_proxy.protocol.jsonrpc import Answer, size_of
from vmcp_proxy.protocol.sse import KEEP_ALIVE, Pieces, encode_event
from vmcp_proxy.serve.context import Headers, RequestContext
from vmcp_proxy.serve.eras.exchange import ContextExchange


class ModernExchange(ContextExchange):
    """The answer to one request; its stream cannot be resumed, and ends with the connection."""

    __slots__ = ("_lock", "last_write")

    def __init__(self, context: RequestContext, now: float) -> None:
        super().__init__(context)
        self._lock: asyncio.Lock | None = None
        self.last_write = now

    async def send(self, message: bytes, on_drop: Callable[[], None] | None = None) -> None:
        """See `Exchange.send`."""
        if not await self._write(encode_event(message)) and on_drop is not None:
            on_drop()

    async def comment(self) -> None:
        """Keeps the connection open through proxies that cut idle ones."""
        if self._lock is None or not self._lock.locked():
            await self._write(KEEP_ALIVE)

    def finish(self, status: int, answer: Answer, headers: Headers = ()) -> Awaitable[None]:
        """Sends the answer and ends the response; of a stream that has begun the status is told already."""
        self._is_answered = True
        lock = self._lock
        return self._context.respond(status, answer, headers=headers) if lock is None else self._end(lock, answer)

    async def _end(self, lock: asyncio.Lock, answer: Answer) -> None:
        context = self._context
        if context.keeps_answer:
            context.answer = answer
        with context.waiting(size_of(answer)):
            await lock.acquire()
        try:
            text = b"".join(answer) if isinstance(answer, tuple) else answer
            # Or it would be there twice while its client reads it.
            del answer
            await context.write(encode_event(text))
            await context.finish()
        finally:
            lock.release()

    async def _write(self, event: Pieces) -> bool:
        """Whether the client takes events still: the first one begins the stream."""
        context = self._context
        if self._lock is None:
            if self._is_answered or context.response_started or not self.takes_messages:
                return False
            self._lock = asyncio.Lock()
        # One after another: what a backend says of several steps comes at the same time.
        with context.waiting(size_of(event)):
            await self._lock.acquire()
        try:
            if context.response_complete:
                return False
            if not context.response_started:
                await context.start_stream()
            await context.write(event)
        finally:
            self._lock.release()
        self.last_write = asyncio.get_running_loop().time()
        return True
