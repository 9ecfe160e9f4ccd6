"""The conversation with the process behind an attachment; all client sessions share it (MCP, "stdio")."""

import asyncio
import secrets
from collections.abc import Callable
from typing import Final

from vmcp_proxy.backends.attached.silence import Silence
from vmcp_proxy.backends.attached.stream import Stream
from vmcp_proxy.backends.budget import STALLED, ReadBudget
from vmcp_proxy.backends.channel.mailbox import Mailbox
from vmcp_proxy.backends.channel.session import ChannelSession
from vmcp_proxy.backends.channel.subscribers import Subscribers
from vmcp_proxy.backends.deadline import Deadline
from vmcp_proxy.backends.errors import UNREAD, BackendError, Category
from vmcp_proxy.backends.interface import Receiver, Reply, refuse
from vmcp_proxy.backends.programs.lines import Ending, as_line, read_lines
from vmcp_proxy.backends.programs.stderr import Stderr
from vmcp_proxy.headerforward import OutgoingHeaders
from vmcp_proxy.protocol import jsonrpc
from vmcp_proxy.protocol.jsonrpc import Raw
from vmcp_proxy.protocol.methods import PROMPTLY_ANSWERED, WORKING

MOST_OPEN: Final = 1024
"""Requests that may wait for the process at a time, probes not counted."""

_PROBES: Final = frozenset({"ping", "server/discover"})

_WRITE_SECONDS: Final = 10.0
_FIRST_IDS: Final = 1 << 30
"""Below this the ids of an attachment begin; those that follow stay in 32 bits, as which some servers read them."""

_LOOKS: Final = 8
"""How often it is looked at within the time after which it is silent."""


class AttachedSession(ChannelSession):
    """One attachment: from `initialize` to its end, which is the end of the session too.

    What the process writes comes to all who are attached, and for a moment a bridge that leaves and the one that
    follows both are: ids begin anywhere, so that an answer to the one is none to a client of the other (ADR-0058).
    `on_silence` hears, once, that the process is `Silence.is_final`.
    """

    def __init__(
        self,
        backend: str,
        stream: Stream,
        max_line: int,
        stderr: Stderr,
        budget: ReadBudget,
        silence: Silence,
        on_silence: Callable[["AttachedSession"], None],
    ) -> None:
        super().__init__(backend, is_shared=True, first_id=1 + secrets.randbelow(_FIRST_IDS))
        self._silence = silence
        self._on_silence = on_silence
        self._stream = stream
        self._max_line = max_line
        self._stderr = stderr
        self._budget = budget
        self._writing = asyncio.Lock()
        self._open = 0
        self.subscribers = Subscribers()

    def __repr__(self) -> str:
        return f"<AttachedSession {self._backend} {self._conversation!r}>"

    @property
    def is_alive(self) -> bool:
        """Whether the attachment holds."""
        return not self._conversation.has_ended

    async def request(
        self,
        request_id: int,
        method: str,
        params: Raw | None,
        headers: OutgoingHeaders,
        deadline: Deadline,
        receiver: Receiver,
        extra: OutgoingHeaders = (),
    ) -> jsonrpc.Response:
        """See `BackendSession.request`."""
        # Probes come one at a time: what waits for the process must not keep it from being asked whether it is there.
        if self._open >= MOST_OPEN and method not in _PROBES:
            raise BackendError(self._backend, Category.BUSY, f"{MOST_OPEN} requests wait for its process")
        self._open += 1
        self._note_asked(request_id, method)
        try:
            answer = await super().request(request_id, method, params, headers, deadline, receiver, extra)
            self._silence.answered(request_id)
            return answer
        finally:
            self._silence.over(request_id)
            self._open -= 1

    async def close(self, headers: OutgoingHeaders) -> None:
        """Nothing ends with one client session: the process serves the others."""

    async def detach(self) -> None:
        """Ends the attachment; whoever waits hears that nobody knows what became of his request."""
        await self._stream.aclose()

    async def run(self) -> None:
        """Reads what the process says until the attachment ends, which ends the process's input."""
        error = BackendError(self._backend, Category.NOT_RUNNING)
        try:
            async with asyncio.TaskGroup() as group:
                pump = group.create_task(self._stream.run())
                said = group.create_task(self._stderr.read(self._stream.stderr))
                watch = group.create_task(self._watch())
                ending = await read_lines(self, self._max_line, self._budget, self._take)
                self._conversation.has_ended = True
                error = self._how_it_ended(ending)
                await self._stream.aclose()
                for task in (pump, said, watch):
                    task.cancel()
        finally:
            self._conversation.end(error)
            await self._stream.aclose()

    async def begin(self, message: bytes, headers: OutgoingHeaders, mailbox: Mailbox, *, is_repeatable: bool) -> None:
        """See `Channel.begin`."""
        del mailbox, is_repeatable
        await self.send(message, headers)

    async def send(self, message: bytes, headers: OutgoingHeaders) -> None:
        """See `Channel.send`; a process gets no headers."""
        del headers
        try:
            async with self._writing:
                # What is begun is written whole, whoever gives up: half a line would spoil the next one.
                await self._write(as_line(message))
        except OSError as error:
            raise self._how_it_ended(Ending.OUTPUT) from error

    async def refuse(self, request: jsonrpc.Request, reply: Reply) -> None:
        """See `Channel.refuse`."""
        await refuse(request, reply)

    async def read(self, n: int) -> bytes:
        """See `Readable`: what the process says."""
        self._silence.listens(asyncio.get_running_loop().time())
        said = await self._stream.stdout.read(n)
        self._silence.heard()
        return said

    async def _take(self, line: bytes) -> None:
        await self._conversation.take(line, ())

    def _note_asked(self, number: int, method: str) -> None:
        now = asyncio.get_running_loop().time()
        if method in WORKING:
            self._silence.called(number, now)
        elif method in PROMPTLY_ANSWERED:
            self._silence.asked(number, now)

    async def _watch(self) -> None:
        """Waits until it is silent; what initialises a process has bounds of its own.

        A look of its own: who asks may wait for an answer for longer than that.
        """
        clock = asyncio.get_running_loop().time
        while not (self.hello.version and self._silence.is_final(clock())):  # noqa: ASYNC110 - time itself is waited for
            await asyncio.sleep(self._silence.bound / _LOOKS)
        self._on_silence(self)

    async def _write(self, line: bytes) -> None:
        writing = asyncio.ensure_future(self._stream.write(line))
        bound = asyncio.timeout(_WRITE_SECONDS)
        try:
            async with bound:
                await asyncio.shield(writing)
        except TimeoutError:
            await self._finish(writing)
            if not bound.expired():
                # A connection that breaks may raise the same.
                raise
            raise BackendError(self._backend, Category.TIMEOUT, UNREAD) from None
        except asyncio.CancelledError:
            await self._finish(writing)
            raise

    async def _finish(self, writing: asyncio.Future[None]) -> None:
        """Waits for a line that is being written; one that the process does not take ends the attachment."""
        await asyncio.wait((writing,), timeout=_WRITE_SECONDS)
        if not writing.done():
            writing.cancel()
            await self._stream.aclose()
        await asyncio.wait((writing,))
        if not writing.cancelled():
            writing.exception()

    def _how_it_ended(self, ending: Ending) -> BackendError:
        if ending is Ending.STALLED:
            return BackendError(self._backend, Category.TIMEOUT, STALLED)
        if ending is Ending.TOO_LONG:
            hint = "it wrote a line above the limit, and is started again"
            return BackendError(self._backend, Category.TOO_LARGE, hint)
        verdict = f", {self._stream.verdict}" if self._stream.verdict else ""
        hint = f"its process ended, or the attachment to it broke{verdict}; whether it did what was asked is not known"
        return BackendError(self._backend, Category.NOT_RUNNING, hint.replace(";", ","))
