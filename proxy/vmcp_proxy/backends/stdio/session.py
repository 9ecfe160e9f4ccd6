"""The conversation with one running program, over its standard streams (MCP, "stdio")."""

import asyncio
import contextlib
import math
import signal
from asyncio.subprocess import Process
from collections.abc import Awaitable, Callable
from typing import Final

from vmcp_proxy.backends.budget import STALLED, ReadBudget
from vmcp_proxy.backends.channel.mailbox import Mailbox
from vmcp_proxy.backends.channel.session import ChannelSession
from vmcp_proxy.backends.channel.subscribers import Subscribers, uri_of
from vmcp_proxy.backends.deadline import Deadline
from vmcp_proxy.backends.errors import SAID, UNREAD, BackendError, Category, SessionLostError
from vmcp_proxy.backends.interface import NOBODY, Receiver, Reply, refuse
from vmcp_proxy.backends.programs.lines import Ending, as_line, read_lines
from vmcp_proxy.backends.programs.pool import ProgramBounds
from vmcp_proxy.backends.programs.stderr import Stderr
from vmcp_proxy.headerforward import OutgoingHeaders
from vmcp_proxy.protocol import jsonrpc
from vmcp_proxy.protocol.jsonrpc import Raw
from vmcp_proxy.protocol.methods import SUBSCRIBE, UNSUBSCRIBE

_WRITE_SECONDS: Final = 10.0
_EXIT_SECONDS: Final = 1.0


class _RetiredError(SessionLostError):
    """The program was ended because nobody used it."""


class StdioSession(ChannelSession):
    """One process: shared by client sessions, or the own one of a client session that ends with it.

    `on_close` ends the process where it belongs to one client session; `stderr` is what it has said beside.
    """

    def __init__(
        self,
        backend: str,
        process: Process,
        max_line: int,
        on_close: Callable[["StdioSession"], Awaitable[None]] | None,
        stderr: Stderr,
        budget: ReadBudget,
    ) -> None:
        super().__init__(backend, is_shared=on_close is None)
        self.process = process
        self.stderr = stderr
        self._max_line = max_line
        self._budget = budget
        self._on_close = on_close
        self._writing = asyncio.Lock()
        self._in_use = 0
        self._used_at = asyncio.get_running_loop().time()
        self._listeners = 0
        self._is_called = self._was_heard = self._is_retired = False
        self._subscribed: set[bytes] = set()
        self.subscribers = Subscribers()

    def __repr__(self) -> str:
        return f"<StdioSession {self._backend} pid={self.process.pid} {self._conversation!r}>"

    @property
    def is_alive(self) -> bool:
        """Whether the process runs and its output is being read."""
        return not self._conversation.has_ended and self.process.returncode is None

    @property
    def is_own(self) -> bool:
        """Whether the process belongs to one client session."""
        return self._on_close is not None

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
        self._in_use += 1
        self._is_called = self._is_called or receiver is not NOBODY
        try:
            answer = await super().request(request_id, method, params, headers, deadline, receiver, extra)
        finally:
            self._in_use -= 1
            self._note_use()
        if method in (SUBSCRIBE, UNSUBSCRIBE):
            self._note_subscription(method, params)
        return answer

    async def listen(self, headers: OutgoingHeaders, receiver: Receiver) -> bool:
        """See `BackendSession.listen`; nothing comes from a program that has ended for want of use.

        It is started again for the next call, or here where the client waits for news of a resource.
        """
        if self._is_retired:
            if self._subscribed:
                raise SessionLostError(self._backend)
            return False
        self._listeners += 1
        self._was_heard = True
        try:
            return await super().listen(headers, receiver)
        except _RetiredError:
            return False
        finally:
            self._listeners -= 1
            self._note_use()

    async def close(self, headers: OutgoingHeaders) -> None:
        """Ends the process where it is this session's own; a shared one ends with its backend."""
        del headers
        if self._on_close is not None:
            await self._on_close(self)

    def ends_at(self, bounds: ProgramBounds) -> float:
        """When it has been idle for long enough to end, in loop time; infinity while it is in use."""
        if self._in_use or self._is_watched:
            return math.inf
        return self._used_at + (bounds.idle if self._is_wanted else bounds.unused)

    def gives_way_at(self, bounds: ProgramBounds) -> float:
        """See `Evictable.gives_way_at`."""
        if self._in_use or self._is_watched or self._is_retired:
            return math.inf
        return self._used_at + (bounds.unused if self._is_wanted else bounds.spare)

    async def give_way(self) -> None:
        """See `Evictable.give_way`."""
        self.retire()
        await self.close(())

    def retire(self) -> None:
        """Takes it out of use at once: whoever calls it from now on gets another."""
        self._is_retired = True
        self._conversation.end(_RetiredError(self._backend))

    @property
    def _is_watched(self) -> bool:
        """Whether its client waits for news of a resource."""
        return bool(self._subscribed and self._listeners)

    @property
    def _is_wanted(self) -> bool:
        """Whether it may hold something for its client, and that client seems to be there still."""
        return self._is_called and (self._listeners > 0 or not self._was_heard)

    def _note_subscription(self, method: str, params: Raw | None) -> None:
        uri = uri_of(params)
        if method == SUBSCRIBE:
            self._subscribed.add(uri)
        else:
            self._subscribed.discard(uri)

    def _note_use(self) -> None:
        self._used_at = asyncio.get_running_loop().time()

    async def run(self) -> None:
        """Reads what the program says until its output ends."""
        assert self.process.stdout is not None  # noqa: S101 - it was started with a pipe
        error = BackendError(self._backend, Category.NOT_RUNNING)
        try:
            ending = await read_lines(
                self.process.stdout, self._max_line, self._budget, lambda line: self._conversation.take(line, ())
            )
            self._conversation.has_ended = True
            if ending is Ending.STALLED:
                error = BackendError(self._backend, Category.TIMEOUT, STALLED)
            else:
                error = await self.how_it_ended()
        finally:
            self._conversation.end(error)
            with contextlib.suppress(ProcessLookupError):
                self.process.terminate()

    async def begin(self, message: bytes, headers: OutgoingHeaders, mailbox: Mailbox, *, is_repeatable: bool) -> None:
        """See `Channel.begin`."""
        del mailbox, is_repeatable
        await self.send(message, headers)

    async def send(self, message: bytes, headers: OutgoingHeaders) -> None:
        """See `Channel.send`; a program gets no headers."""
        del headers
        if self._is_retired:
            raise BackendError(self._backend, Category.NOT_RUNNING)
        stdin = self.process.stdin
        assert stdin is not None  # noqa: S101 - it was started with a pipe
        line = as_line(message)
        try:
            async with asyncio.timeout(_WRITE_SECONDS), self._writing:
                # Also before: what a program that does not read is sent must not pile up here.
                await stdin.drain()
                stdin.write(line)
                await stdin.drain()
        except TimeoutError:
            # One of OSError's, and yet the program runs.
            raise BackendError(self._backend, Category.TIMEOUT, UNREAD) from None
        except (OSError, RuntimeError) as error:
            raise await self.how_it_ended() from error

    async def refuse(self, request: jsonrpc.Request, reply: Reply) -> None:
        """See `Channel.refuse`."""
        await refuse(request, reply)

    async def how_it_ended(self) -> BackendError:
        """Why a program that does not talk any more gives no answer; waits a moment for its last words."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_EXIT_SECONDS):
                await self.process.wait()
        await self.stderr.ended(_EXIT_SECONDS)
        hint = f"the program ended{_how(self.process.returncode)} and starts again on the next call"
        return BackendError(self._backend, Category.NOT_RUNNING, with_stderr(hint, self.stderr))


def with_stderr(hint: str, stderr: Stderr) -> str:
    """A hint with the last lines of a program, where there are any."""
    said = stderr.summary()
    return f"{hint}{SAID}{said}" if said else hint


def _how(code: int | None) -> str:
    if code is None:
        return ""
    if code >= 0:
        return f" with exit code {code}"
    with contextlib.suppress(ValueError):
        return f" by {signal.Signals(-code).name}"
    return f" by signal {-code}"
