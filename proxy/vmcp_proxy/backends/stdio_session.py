"""The conversation with one running program, over its standard streams (MCP, "stdio")."""

import asyncio
import contextlib
import itertools
from asyncio.subprocess import Process
from collections.abc import Awaitable, Callable
from typing import Final

from vmcp_proxy.backends.client import Deadline, Receiver, Reply, refuse
from vmcp_proxy.backends.conversation import Conversation
from vmcp_proxy.backends.errors import BackendError, Category
from vmcp_proxy.backends.mailbox import Mailbox
from vmcp_proxy.headerforward import OutgoingHeaders
from vmcp_proxy.protocol import jsonrpc
from vmcp_proxy.protocol.initialize import ServerHello
from vmcp_proxy.protocol.jsonrpc import Raw

_WRITE_SECONDS: Final = 10.0
_EXIT_SECONDS: Final = 1.0


class StdioSession:
    """One process: shared by client sessions, or the own one of a client session that ends with it.

    `on_close` ends the process where it belongs to one client session.
    """

    token = b""

    def __init__(
        self,
        backend: str,
        process: Process,
        max_line: int,
        on_close: Callable[["StdioSession"], Awaitable[None]] | None,
    ) -> None:
        self.process = process
        self.hello = ServerHello("", frozenset(), None)
        self._backend = backend
        self._on_close = on_close
        self._ids = itertools.count(1)
        self._conversation = Conversation(backend, self, is_shared=on_close is None, max_bytes=max_line)
        self._writing = asyncio.Lock()

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

    def next_id(self) -> int:
        """See `BackendSession.next_id`."""
        return next(self._ids)

    def expect_stream(self) -> None:
        """See `BackendSession.expect_stream`: what carries the answers carries the rest, and is there."""

    async def request(
        self,
        request_id: int,
        method: str,
        params: Raw | None,
        headers: OutgoingHeaders,
        deadline: Deadline,
        receiver: Receiver,
    ) -> jsonrpc.Response:
        """See `BackendSession.request`."""
        return await self._conversation.request(request_id, method, params, headers, deadline, receiver)

    async def notify(self, method: str, params: Raw | None, headers: OutgoingHeaders) -> None:
        """See `BackendSession.notify`."""
        await self.send(jsonrpc.encode_notification(method, params), headers)

    async def listen(self, headers: OutgoingHeaders, receiver: Receiver) -> bool:
        """See `BackendSession.listen`."""
        return await self._conversation.listen(headers, receiver)

    async def close(self, headers: OutgoingHeaders) -> None:
        """Ends the process where it is this session's own; a shared one ends with its backend."""
        del headers
        if self._on_close is not None:
            await self._on_close(self)

    async def idle(self) -> None:
        """Waits for the calls in flight."""
        await self._conversation.idle()

    async def run(self) -> None:
        """Reads what the program says until its output ends."""
        error = BackendError(self._backend, Category.NOT_RUNNING)
        try:
            while line := await self._next_line():
                await self._conversation.take(line, ())
            self._conversation.has_ended = True
            error = await self._how_it_ended()
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
        stdin = self.process.stdin
        assert stdin is not None  # noqa: S101 - it was started with a pipe
        line = message.replace(b"\n", b" ").replace(b"\r", b" ") + b"\n"
        try:
            async with asyncio.timeout(_WRITE_SECONDS), self._writing:
                # Also before: what a program that does not read is sent must not pile up here.
                await stdin.drain()
                stdin.write(line)
                await stdin.drain()
        except (OSError, RuntimeError) as error:
            raise BackendError(self._backend, Category.NOT_RUNNING) from error

    async def refuse(self, request: jsonrpc.Request, reply: Reply) -> None:
        """See `Channel.refuse`."""
        await refuse(request, reply)

    async def _next_line(self) -> bytes:
        """The next line; empty at the end, also when a line is longer than the bound."""
        assert self.process.stdout is not None  # noqa: S101 - it was started with a pipe
        try:
            return await self.process.stdout.readline()
        except ValueError:
            return b""

    async def _how_it_ended(self) -> BackendError:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_EXIT_SECONDS):
                await self.process.wait()
        code = self.process.returncode
        ended = "the program ended" if code is None else f"the program ended with exit code {code}"
        return BackendError(self._backend, Category.NOT_RUNNING, f"{ended}; it starts again on the next call")
