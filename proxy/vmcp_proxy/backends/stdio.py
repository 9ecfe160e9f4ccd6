"""A backend that is a program on this machine, spoken to over its standard streams (MCP, "stdio").

The process is the session (ADR-0017): all client sessions share it, and requests are told apart by id.
"""

import asyncio
import contextlib
from asyncio.subprocess import DEVNULL, PIPE
from dataclasses import dataclass, field
from typing import Final

from vmcp_proxy.backends.client import NOBODY, BackendSession, Deadline
from vmcp_proxy.backends.errors import BackendError, Category
from vmcp_proxy.backends.stdio_session import StdioSession
from vmcp_proxy.headerforward import OutgoingHeaders
from vmcp_proxy.protocol.initialize import encode_client_hello, parse_server_hello
from vmcp_proxy.protocol.params import InvalidParamsError
from vmcp_proxy.protocol.versions import SUPPORTED

_INHERITED: Final = ("HOME", "LANG", "LOGNAME", "PATH", "SHELL", "TERM", "TMPDIR", "USER")
_GRACE_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class StdioCommand:
    """The program, its environment and its folder; `repr` shows no environment, for it may hold secrets."""

    args: tuple[str, ...]
    env: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    cwd: str | None = None

    def environment(self, base: dict[str, str]) -> dict[str, str]:
        """A minimal environment taken from `base`, with the configured variables on top."""
        inherited = {name: base[name] for name in _INHERITED if name in base}
        return inherited | dict(self.env)


@dataclass(frozen=True, slots=True)
class StdioSettings:
    """Bounds of a stdio backend: the longest line in bytes, and what it inherits from this process."""

    max_line: int
    software_version: str
    base_environment: dict[str, str] = field(repr=False)


class StdioBackend:
    """Starts the program when it is first needed, and again when it has ended."""

    takes_headers = False

    def __init__(self, name: str, command: StdioCommand, settings: StdioSettings, tasks: asyncio.TaskGroup) -> None:
        self.name = name
        self._command = command
        self._settings = settings
        self._tasks = tasks
        self._session: StdioSession | None = None
        self._is_closed = False
        self._starting = asyncio.Lock()

    async def open(self, capabilities: bytes, headers: OutgoingHeaders, deadline: Deadline) -> BackendSession:
        """See `Backend.open`; the running session is handed out again."""
        del headers
        async with self._starting:
            if self._session is not None and self._session.is_alive:
                return self._session
            # At hand from its start on, so that `aclose` ends a program that is slow to come up, too.
            session = self._session = await self._start()
            try:
                await self._shake_hands(session, capabilities, deadline)
            except BaseException:
                self._session = None
                await self._stop(session)
                raise
            return session

    def resume(self, token: bytes) -> BackendSession | None:
        """See `Backend.resume`: a process cannot be resumed."""
        del token
        return None

    async def aclose(self) -> None:
        """Ends the program: its input is closed, then it is asked, then it is killed; none is started any more."""
        self._is_closed = True
        session, self._session = self._session, None
        if session is not None:
            await self._stop(session)

    async def _start(self) -> StdioSession:
        self._check_open()
        try:
            process = await asyncio.create_subprocess_exec(
                *self._command.args,
                stdin=PIPE,
                stdout=PIPE,
                stderr=DEVNULL,
                env=self._command.environment(self._settings.base_environment),
                cwd=self._command.cwd,
                limit=self._settings.max_line,
                start_new_session=True,
            )
        except OSError as error:
            raise BackendError(self.name, Category.NOT_RUNNING, _why(error, self._command.args[0])) from error
        session = StdioSession(self.name, process)
        self._tasks.create_task(session.run(), name=f"stdio {self.name}")
        return session

    async def _shake_hands(self, session: StdioSession, capabilities: bytes, deadline: Deadline) -> None:
        self._check_open()
        hello = encode_client_hello(capabilities, self._settings.software_version)
        answer = await session.request(session.next_id(), "initialize", hello, (), deadline, NOBODY)
        if answer.result is None:
            raise BackendError(self.name, Category.REFUSED, "it answered initialize with an error")
        try:
            session.hello = parse_server_hello(answer.result)
        except InvalidParamsError:
            raise BackendError(self.name, Category.PROTOCOL, "its initialize result is malformed") from None
        if session.hello.version not in SUPPORTED:
            raise BackendError(self.name, Category.PROTOCOL, "it speaks no revision that is spoken here")
        await session.notify("notifications/initialized", None, ())

    def _check_open(self) -> None:
        if self._is_closed:
            raise BackendError(self.name, Category.NOT_RUNNING)

    async def _stop(self, session: StdioSession) -> None:
        process = session.process
        if process.stdin is not None:
            process.stdin.close()
        for end in (process.terminate, process.kill):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_GRACE_SECONDS):
                    await process.wait()
            if process.returncode is not None:
                break
            with contextlib.suppress(ProcessLookupError):
                end()
        await process.wait()
        await session.ended.wait()


def _why(error: OSError, program: str) -> str:
    if isinstance(error, FileNotFoundError):
        return f"the program {program!r} or its folder does not exist; install it or correct the command"
    if isinstance(error, PermissionError):
        return f"the program {program!r} may not be executed; correct its permissions"
    return f"the program {program!r} cannot be started"
