"""A backend that is a program on this machine, spoken to over its standard streams (MCP, "stdio").

Client sessions that declare nothing share one process. One that declares capabilities gets its own, because on
a shared one nobody could say which client a request of the program's is for (ADR-0024).
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from vmcp_proxy.backends.budget import ReadBudget
from vmcp_proxy.backends.channel.share import Share
from vmcp_proxy.backends.channel.shared import SharedSession
from vmcp_proxy.backends.deadline import Deadline
from vmcp_proxy.backends.errors import SAID, BackendError, Category, NotModernError, SessionLostError
from vmcp_proxy.backends.handshake import read_hello
from vmcp_proxy.backends.interface import NOBODY, BackendSession, LegacyOnly, Terms
from vmcp_proxy.backends.programs.pool import Place, ProgramPool
from vmcp_proxy.backends.programs.stderr import Stderr
from vmcp_proxy.backends.stdio.program import StdioCommand, close_pipes, start, stop
from vmcp_proxy.backends.stdio.session import StdioSession, with_stderr
from vmcp_proxy.headerforward import OutgoingHeaders
from vmcp_proxy.protocol.initialize import NO_CAPABILITIES, encode_client_hello

_START_SECONDS: Final = 120.0
"""How long a program may take to come up: package runners download what they run."""
_DRAIN_SECONDS: Final = 30.0
_READER_SECONDS: Final = 1.0


Greet: TypeAlias = Callable[[StdioSession], Awaitable[None]]
"""Has a program say what it is; raises `BackendError` where it does not."""


@dataclass(frozen=True, slots=True)
class StdioSettings:
    """Bounds of a stdio backend, and what it inherits from this process.

    `max_line` is in bytes; `patience` is how long one caller waits for the shared program to come up, in seconds.
    """

    max_line: int
    patience: float
    software_version: str
    base_environment: dict[str, str] = field(repr=False)
    budget: ReadBudget = field(default_factory=ReadBudget, compare=False)
    """Of the whole process."""


class StdioBackend(LegacyOnly):
    """Starts programs when they are first needed, and again when they have ended; they run in `tasks`."""

    takes_headers = False

    def __init__(
        self, name: str, command: StdioCommand, settings: StdioSettings, pool: ProgramPool, tasks: asyncio.TaskGroup
    ) -> None:
        self.name = name
        self._command = command
        self._settings = settings
        self._pool = pool
        self._tasks = tasks
        self._masks = command.masks(settings.base_environment)
        self._shared = SharedSession(name, self._start_shared, self._pending, settings.patience, tasks)
        self._stderr = Stderr(name, self._masks)
        """That of the shared program, the one that is running or coming up."""
        self._running: dict[StdioSession, asyncio.Task[None]] = {}
        self._is_closed = False

    async def open(
        self, terms: Terms, headers: OutgoingHeaders, deadline: Deadline, owner: object = None
    ) -> BackendSession:
        """See `Backend.open`; those who declare nothing share the running session."""
        del headers
        self._check_open()
        if terms.capabilities != NO_CAPABILITIES:
            return await self._open_own(terms.capabilities, deadline, owner)
        return Share(await self._shared.get(deadline))

    def resume(self, token: bytes) -> BackendSession | None:
        """See `Backend.resume`: a process cannot be resumed."""
        del token
        return None

    async def aclose(self) -> None:
        """Ends the programs, after the calls of clients in flight or half a minute; none starts any more."""
        self._is_closed = True
        await self._shared.cancel()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_DRAIN_SECONDS), asyncio.TaskGroup() as group:
                for session in self._running:
                    group.create_task(session.idle())
        async with asyncio.TaskGroup() as group:
            for session in list(self._running):
                group.create_task(self._stop(session))

    async def _start_shared(self) -> StdioSession:
        deadline = Deadline.after(asyncio.get_running_loop().time(), _START_SECONDS)
        return await self._start(NO_CAPABILITIES, deadline, None)

    def _pending(self) -> str:
        return with_stderr("the program has not come up yet", self._stderr)

    async def _open_own(self, capabilities: bytes, deadline: Deadline, owner: object) -> StdioSession:
        patience = asyncio.get_running_loop().time() + self._settings.patience
        place = await self._pool.take(self.name, owner, min(deadline.at, patience))
        try:
            session = await self._start(capabilities, deadline, place)
        except BaseException:
            self._pool.release(place)
            raise
        return session

    async def _start(self, capabilities: bytes, deadline: Deadline, place: Place | None) -> StdioSession:
        """Starts a program of a client session, for which there is a `place`, or the shared one."""

        async def greet(session: StdioSession) -> None:
            hello = encode_client_hello(capabilities, self._settings.software_version)
            answer = await session.request(session.next_id(), "initialize", hello, (), deadline, NOBODY)
            session.hello = read_hello(self.name, answer, self._masks.apply)
            await session.notify("notifications/initialized", None, ())

        return await self.start(greet, place)

    async def start(self, greet: Greet, place: Place | None = None) -> StdioSession:
        """Starts a program, and ends it again where `greet` fails.

        Raises:
            BackendError: it cannot be had.
        """
        session = await self._launch(place)
        try:
            self._check_open()
            await greet(session)
        except BackendError as error:
            await self._stop(session)
            if isinstance(error, NotModernError):
                raise
            if SAID in error.hint or error.told != str(error):
                raise
            if isinstance(error, SessionLostError):
                # It had ended before it was asked.
                raise await session.how_it_ended() from error
            raise BackendError(
                self.name, error.category, with_stderr(error.hint or "while it came up", session.stderr)
            ) from error
        except BaseException:
            await self._stop(session)
            raise
        return session

    async def _launch(self, place: Place | None) -> StdioSession:
        max_line = self._settings.max_line
        stderr = Stderr(self.name, self._masks)
        process = await start(self.name, self._command, self._settings.base_environment)
        self._pool.watchdog.add(process.pid)
        on_close = None if place is None else self._stop
        session = StdioSession(self.name, process, max_line, on_close, stderr, self._settings.budget)
        if place is None:
            self._stderr = stderr
        else:
            place.program = session
        task = self._running[session] = self._tasks.create_task(self._run(session), name=f"stdio {self.name}")
        task.add_done_callback(lambda _: self._ended(session, place))
        return session

    def _ended(self, session: StdioSession, place: Place | None) -> None:
        self._running.pop(session, None)
        self._pool.watchdog.discard(session.process.pid)
        if place is not None:
            self._pool.release(place)

    async def _run(self, session: StdioSession) -> None:
        errors = session.process.stderr
        assert errors is not None  # noqa: S101 - it was started with a pipe
        try:
            async with asyncio.TaskGroup() as group:
                pump = group.create_task(session.stderr.read(errors))
                idling = group.create_task(self._end_when_idle(session)) if session.is_own else None
                await session.run()
                if idling is not None:
                    idling.cancel()
                await stop(session.process)
                await asyncio.wait((pump,), timeout=_READER_SECONDS)
                pump.cancel()
        finally:
            close_pipes(session.process)

    async def _end_when_idle(self, session: StdioSession) -> None:
        loop = asyncio.get_running_loop()
        bounds = self._pool.bounds
        while (wait := session.ends_at(bounds) - loop.time()) > 0:  # noqa: ASYNC110 - nothing announces idleness
            await asyncio.sleep(min(wait, bounds.unused))
        session.retire()
        await stop(session.process)

    async def _stop(self, session: StdioSession) -> None:
        """Ends a program; who waits for that may be cut off, the ending goes on."""
        task = self._running.get(session)
        if task is None or task.done():
            return  # it has ended, and its number may be somebody else's by now
        await asyncio.wait((self._tasks.create_task(self._end(session, task), name=f"end {self.name}"),))

    async def _end(self, session: StdioSession, task: asyncio.Task[None]) -> None:
        await stop(session.process)
        if not task.done():
            await asyncio.wait((task,), timeout=_READER_SECONDS)
            task.cancel()
            await asyncio.wait((task,))

    def _check_open(self) -> None:
        if self._is_closed:
            raise BackendError(self.name, Category.NOT_RUNNING)
