"""The conversation with one running program: requests out, one reader that sorts what comes back."""

import asyncio
import contextlib
import itertools
from asyncio.subprocess import Process
from typing import Final

import msgspec

from vmcp_proxy.backends.client import Deadline, Receiver, refuse
from vmcp_proxy.backends.errors import BackendError, Category, SessionLostError
from vmcp_proxy.headerforward import OutgoingHeaders
from vmcp_proxy.protocol import jsonrpc, params
from vmcp_proxy.protocol.initialize import ServerHello
from vmcp_proxy.protocol.jsonrpc import Raw
from vmcp_proxy.protocol.params import InvalidParamsError

_PENDING_NOTIFICATIONS: Final = 1024
_WRITE_SECONDS: Final = 10.0
_EXIT_SECONDS: Final = 1.0
_TOKEN_DIGITS: Final = 18
"""More than any token of ours has; Python refuses to read very long numbers."""

Incoming = jsonrpc.Response | jsonrpc.Notification | None


class StdioSession:
    """One process; `None` in a queue says that it has ended.

    What carries a progress token goes to its request. What carries none goes to the only request in flight;
    with several it cannot be attributed, and goes to nobody but those who `listen` for changes of lists.
    """

    token = b""

    def __init__(self, backend: str, process: Process) -> None:
        self.process = process
        self.hello = ServerHello("", frozenset(), None)
        self.ended = asyncio.Event()
        self._backend = backend
        self._ids = itertools.count(1)
        self._waiting: dict[int, asyncio.Queue[Incoming]] = {}
        self._listeners: set[asyncio.Queue[Incoming]] = set()
        self._writing = asyncio.Lock()

    def __repr__(self) -> str:
        return f"<StdioSession {self._backend} pid={self.process.pid} waiting={len(self._waiting)}>"

    @property
    def is_alive(self) -> bool:
        """Whether the process runs and its output is being read."""
        return not self.ended.is_set() and self.process.returncode is None

    def next_id(self) -> int:
        """See `BackendSession.next_id`."""
        return next(self._ids)

    async def request(
        self,
        request_id: int,
        method: str,
        params_: Raw | None,
        headers: OutgoingHeaders,
        deadline: Deadline,
        receiver: Receiver,
    ) -> jsonrpc.Response:
        """See `BackendSession.request`."""
        del headers
        self._check_alive()
        queue: asyncio.Queue[Incoming] = asyncio.Queue(_PENDING_NOTIFICATIONS)
        self._waiting[request_id] = queue
        try:
            await self._write(jsonrpc.encode_request(request_id, method, params_))
            return await self._answer(queue, deadline, receiver)
        except asyncio.CancelledError:
            await self._cancel(request_id, "The client cancelled the request.")
            raise
        except TimeoutError:
            await self._cancel(request_id, "The request took too long.")
            raise BackendError(self._backend, Category.TIMEOUT) from None
        finally:
            del self._waiting[request_id]

    async def notify(self, method: str, params_: Raw | None, headers: OutgoingHeaders) -> None:
        """See `BackendSession.notify`."""
        del headers
        await self._write(jsonrpc.encode_notification(method, params_))

    async def listen(self, headers: OutgoingHeaders, receiver: Receiver) -> bool:
        """See `BackendSession.listen`."""
        del headers
        self._check_alive()
        queue: asyncio.Queue[Incoming] = asyncio.Queue(_PENDING_NOTIFICATIONS)
        self._listeners.add(queue)
        try:
            while isinstance(message := await queue.get(), jsonrpc.Notification):
                await receiver.on_notification(message.method, message.params)
        finally:
            self._listeners.discard(queue)
        raise BackendError(self._backend, Category.NOT_RUNNING)

    async def close(self, headers: OutgoingHeaders) -> None:
        """Nothing: the process serves other client sessions too, and ends with its backend."""

    async def run(self) -> None:
        """Reads what the program says until its output ends."""
        try:
            while line := await self._next_line():
                await self._sort(jsonrpc.parse_message(line))
        finally:
            self.ended.set()
            for queue in (*self._waiting.values(), *self._listeners):
                _put(queue, None)
            with contextlib.suppress(ProcessLookupError):
                self.process.terminate()

    def _check_alive(self) -> None:
        if not self.is_alive:
            raise SessionLostError(self._backend)

    async def _next_line(self) -> bytes:
        """The next line; empty at the end, also when a line is longer than the bound."""
        assert self.process.stdout is not None  # noqa: S101 - it was started with a pipe
        try:
            return await self.process.stdout.readline()
        except ValueError:
            return b""

    async def _sort(self, message: jsonrpc.Message) -> None:
        match message:
            case jsonrpc.Response():
                if message.id.isdigit() and (queue := self._waiting.get(int(message.id))) is not None:
                    _put(queue, message)
            case jsonrpc.Notification():
                self._sort_notification(message)
            case jsonrpc.Request():
                with contextlib.suppress(BackendError):
                    await refuse(message, self._write)
            case jsonrpc.Malformed():
                return

    def _sort_notification(self, message: jsonrpc.Notification) -> None:
        if message.method == "notifications/progress":
            if (queue := self._waiting.get(_progress_token(message.params))) is not None:
                _put(queue, message)
        elif message.method.endswith("/list_changed") or message.method == "notifications/resources/updated":
            for queue in self._listeners:
                _put(queue, message)
        elif len(self._waiting) == 1:
            _put(next(iter(self._waiting.values())), message)

    async def _answer(self, queue: asyncio.Queue[Incoming], deadline: Deadline, receiver: Receiver) -> jsonrpc.Response:
        loop = asyncio.get_running_loop()
        while True:
            async with asyncio.timeout_at(deadline.at):
                message = await queue.get()
            if isinstance(message, jsonrpc.Response):
                return message
            if message is None:
                raise BackendError(self._backend, Category.NOT_RUNNING, await self._how_it_ended())
            if message.method == "notifications/progress":
                deadline.extend(loop.time())
            await receiver.on_notification(message.method, message.params)

    async def _how_it_ended(self) -> str:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_EXIT_SECONDS):
                await self.process.wait()
        code = self.process.returncode
        ended = "the program ended" if code is None else f"the program ended with exit code {code}"
        return f"{ended}; it starts again on the next call"

    async def _cancel(self, request_id: int, reason: str) -> None:
        body = b'{"requestId":%d,"reason":%b}' % (request_id, msgspec.json.encode(reason))
        with contextlib.suppress(BackendError):
            await self.notify("notifications/cancelled", body, ())

    async def _write(self, message: bytes) -> None:
        stdin = self.process.stdin
        assert stdin is not None  # noqa: S101 - it was started with a pipe
        line = message.replace(b"\n", b" ").replace(b"\r", b" ") + b"\n"
        try:
            async with asyncio.timeout(_WRITE_SECONDS), self._writing:
                stdin.write(line)
                await stdin.drain()
        except (OSError, RuntimeError) as error:
            raise BackendError(self._backend, Category.NOT_RUNNING) from error


def _put(queue: asyncio.Queue[Incoming], message: Incoming) -> None:
    """Adds without waiting; a full queue loses its oldest notification, never an answer."""
    if queue.full():
        queue.get_nowait()
    queue.put_nowait(message)


def _progress_token(raw: msgspec.Raw | None) -> int:
    """The request that a progress notification is about; 0, which no request has, where it names none."""
    try:
        token = bytes(params.parse_members(raw).get("progressToken", msgspec.Raw(b"")))
    except InvalidParamsError:
        return 0
    return int(token) if token.isdigit() and len(token) <= _TOKEN_DIGITS else 0
