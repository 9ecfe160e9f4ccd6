"""The answer to one POST as an event stream that outlives its connection (MCP 2025-11-25, Resumability)."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Final

from vmcp_proxy.clients.streaming.event_log import EventLog
from vmcp_proxy.protocol.event_ids import encode_end
from vmcp_proxy.protocol.sse import KEEP_ALIVE, Pieces, encode_event, encode_priming
from vmcp_proxy.serve.context import RequestContext
from vmcp_proxy.serve.legacy.answers import answer_lost

_END_SECONDS: Final = 1.0


class _Connection:
    """One response that the stream may go to; `over` is set once there is no more for it."""

    __slots__ = ("context", "over")

    def __init__(self, context: RequestContext) -> None:
        self.context: Final = context
        self.over: Final = asyncio.Event()


class AnswerStream:
    """Writes to the POST's own response first, then to whichever GET claims the rest of the stream.

    `prefix` begins the ids of events; without one there are none, and nothing can be resumed. With `primes` an
    event without data comes first. One writer at a time: messages wait while the client is slow.
    """

    __slots__ = (
        "_claimed",
        "_current",
        "_has_begun",
        "_lock",
        "_log",
        "_own",
        "_prefix",
        "_primes",
        "_writing",
        "is_over",
    )

    def __init__(self, context: RequestContext, prefix: bytes, log: EventLog, *, primes: bool) -> None:
        self._own: _Connection | None = _Connection(context)
        self._current: _Connection | None = self._own
        self._claimed: _Connection | None = None
        self._prefix: Final = prefix
        self._log: Final = log
        self._primes: Final = primes
        self._has_begun = False
        self._lock: Final = asyncio.Lock()
        self._writing: asyncio.Timeout | None = None
        self.is_over = False

    @property
    def is_busy(self) -> bool:
        """Whether something is being written."""
        return self._lock.locked()

    @property
    def size(self) -> int:
        """The bytes that are held for clients that come back."""
        return self._log.size

    async def send(self, message: bytes, on_drop: Callable[[], None] | None = None) -> None:
        """Sends a message before the answer; it is kept for a client that has lost the connection.

        `on_drop` hears that it has to give way before the client has got it. Where nothing is kept the connection
        gets it or nobody does, and nobody can tell.
        """
        await self._take_turn(len(message))
        try:
            if not self.is_over:
                await self._begin()
                sequence = self._log.append(message, None if self._log.is_closed else on_drop)
                await self._write(encode_event(message, self._id(sequence)))
        finally:
            self._lock.release()

    async def comment(self) -> None:
        """Shows intermediaries that the connection is in use."""
        async with self._lock:
            if not self.is_over:
                await self._begin()
                await self._write(KEEP_ALIVE)

    async def finish(self, answer: bytes) -> None:
        """Sends the answer, upon which the stream is over; what could not be written yet is kept."""
        await self._take_turn(len(answer))
        try:
            if self.is_over:
                return
            if not self._has_begun and self._own is not None:
                context = self._own.context
                self.abandon()
                await context.respond(200, answer)
                return
            sequence = self._log.append(answer)
            await self._write(encode_event(answer, self._end_id(sequence)))
            self.is_over = True
            current, own = self._current, self._own
            # The request with its headers must not live as long as its answer is kept.
            self._own = self._current = None
        finally:
            self._lock.release()
        if current is not None:
            current.over.set()
        if current is own and own is not None:
            await own.context.finish()
        else:
            await _end(own)

    async def resume(self, context: RequestContext, request: bytes, after: int) -> None:
        """Goes on at another response with what came after an event, until the stream is over for it.

        The response that had the stream so far gets no more: its client has lost it.
        """
        mine = _Connection(context)
        self._claim(mine)
        try:
            async with self._lock:
                if await self._replay(mine, request, after) and not self.is_over:
                    self._current = mine
            await _end(self._own)
            if not self.is_over:
                await mine.over.wait()
        finally:
            if self._current is mine:
                self._current = None
            if self._claimed is mine:
                self._claimed = None

    def leave(self, context: RequestContext) -> None:
        """Hears that the client of a resumed stream has gone again."""
        if self._claimed is not None and self._claimed.context is context:
            self._claimed.over.set()

    def close(self) -> None:
        """Ends without an answer, and keeps nothing; a POST that has the stream itself goes on with it."""
        self._log.close()
        if self._claimed is not None:
            self._claimed.over.set()

    def abandon(self) -> None:
        """Ends for good: there will be no answer."""
        self.is_over = True
        self._own = self._current = None
        self.close()

    def _claim(self, mine: _Connection) -> None:
        former, self._claimed, self._current = self._claimed, mine, None
        if former is not None:
            former.over.set()
        if self._writing is not None:
            # A write to a connection that nobody reads any more would hold the lock until the kernel gives up.
            self._writing.reschedule(asyncio.get_running_loop().time())
            self._writing = None

    async def _replay(self, mine: _Connection, request: bytes, after: int) -> bool:
        """Writes what is held; False where another connection has claimed the stream meanwhile."""
        sequence = after
        while self._claimed is mine and (entry := self._log.next_after(sequence)) is not None:
            sequence, message = entry
            is_answer = self.is_over and sequence == self._log.last
            event_id = self._end_id(sequence) if is_answer else self._id(sequence)
            await self._write_to(mine, encode_event(message, event_id))
            self._log.sent = max(self._log.sent, sequence)
        if self._claimed is mine and self.is_over and sequence < self._log.last:
            await self._write_to(mine, encode_event(answer_lost(request), self._end_id(self._log.last)))
        return self._claimed is mine

    async def _take_turn(self, size: int) -> None:
        """Takes the lock; what waits for it counts as unread at the response that it is to go to."""
        with contextlib.nullcontext() if self._current is None else self._current.context.waiting(size):
            await self._lock.acquire()

    async def _begin(self) -> None:
        if not self._has_begun and self._own is not None:
            await self._own.context.start_stream()
            self._has_begun = True
            if self._primes and self._prefix:
                await self._write(encode_priming(self._id(self._log.skip())))

    async def _write(self, chunk: Pieces) -> None:
        if self._current is not None:
            await self._write_to(self._current, chunk)
        if self._current is not None and not self._current.context.has_gone:
            self._log.sent = self._log.last

    async def _write_to(self, connection: _Connection, chunk: Pieces) -> None:
        if connection.context.response_complete:
            return
        try:
            async with asyncio.timeout(None) as writing:
                self._writing = writing
                await connection.context.write(chunk)
        except TimeoutError:
            # Another connection has claimed the stream; what was being written is in the log.
            return
        finally:
            if self._writing is writing:
                self._writing = None

    def _id(self, sequence: int) -> bytes:
        return b"%b%x" % (self._prefix, sequence) if self._prefix else b""

    def _end_id(self, sequence: int) -> bytes:
        return encode_end(self._id(sequence)) if self._prefix else b""


async def _end(own: _Connection | None) -> None:
    """Ends the response of a POST that has lost its stream; it may be stuck: the server closes it with the request."""
    if own is not None and not own.context.response_complete:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_END_SECONDS):
                await own.context.finish()
