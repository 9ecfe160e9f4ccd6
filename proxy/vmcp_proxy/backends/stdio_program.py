"""Programs on this machine: how they are started, what they inherit, and how they are ended."""

import asyncio
import contextlib
import logging
import os
import signal
from asyncio.subprocess import PIPE, Process
from dataclasses import dataclass, field
from typing import Final

from vmcp_api.texts import find_program_flaw
from vmcp_proxy.backends.errors import BackendError, Category
from vmcp_proxy.observability.logs import log_event

logger: Final = logging.getLogger("vmcp.backends")

_INHERITED: Final = ("HOME", "LANG", "LOGNAME", "PATH", "SHELL", "TERM", "TMPDIR", "USER")
_GRACE_SECONDS: Final = 2.0
_MASK: Final = "***"
_SHORTEST_SECRET: Final = 4
_CHUNK_BYTES: Final = 64 << 10
_LINE_CHARACTERS: Final = 1000
_LINES_PER_SECOND: Final = 20


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

    def flaw(self) -> str:
        """What keeps any program from being started like this; names places, never values."""
        words = ((f"word {number} of its command", word) for number, word in enumerate(self.args, 1))
        variables = ((f"its variable {name}", value) for name, value in self.env)
        for place, text in (*words, *variables, ("its folder", self.cwd or "")):
            if found := find_program_flaw(text):
                return f"{place} {found}"
        return ""

    def masked(self, text: str) -> str:
        """A line of the program's without the values of its configured variables."""
        for _, value in self.env:
            for line in value.splitlines():
                if len(line) >= _SHORTEST_SECRET:
                    text = text.replace(line, _MASK)
        return text


async def start(backend: str, command: StdioCommand, base: dict[str, str], max_line: int) -> Process:
    """Starts the program in a process group of its own.

    Raises:
        BackendError: it cannot be started.
    """
    # One event loop refuses such texts, another cuts them off at the NUL.
    if flaw := command.flaw():
        raise BackendError(backend, Category.NOT_RUNNING, flaw)
    try:
        return await asyncio.create_subprocess_exec(
            *command.args,
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,
            env=command.environment(base),
            cwd=command.cwd,
            limit=max_line,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        raise BackendError(backend, Category.NOT_RUNNING, _why(error, command.args[0])) from error


async def stop(process: Process) -> None:
    """Closes its input, then asks it to end, then kills it; what it has started goes with it."""
    if process.stdin is not None:
        process.stdin.close()
    for ending in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_GRACE_SECONDS):
                await process.wait()
        if process.returncode is not None:
            break
        _signal(process, ending)
    await process.wait()
    # Wrappers such as `npx` leave their children behind, which would hold the pipes open.
    _signal(process, signal.SIGKILL)


def close_pipes(process: Process) -> None:
    """Lets go of the pipes, which something that the program has left behind may hold open for ever."""
    process._transport.close()  # type: ignore[attr-defined]  # noqa: SLF001 - asyncio offers no other way


async def log_errors(backend: str, command: StdioCommand, stream: asyncio.StreamReader) -> None:
    """Reads what the program says on its standard error until it ends, and logs it at level `debug` only.

    It may quote anything, so the values of its variables are masked, and what is long or frequent is left out.
    """
    loop = asyncio.get_running_loop()
    second, lines = 0, 0
    rest = b""
    is_too_long = False
    while chunk := await stream.read(_CHUNK_BYTES):
        *complete, rest = (rest + chunk).split(b"\n")
        for line in complete if logger.isEnabledFor(logging.DEBUG) else ():
            if int(loop.time()) != second:
                second, lines = int(loop.time()), 0
            lines += 1
            if lines <= _LINES_PER_SECOND and not is_too_long:
                # Masked before it is cut, so that no half of a secret is left at the end.
                text = command.masked(line.decode("utf-8", "replace"))[:_LINE_CHARACTERS]
                log_event(logger, logging.DEBUG, "program said", backend=backend, line=text)
            is_too_long = False
        if len(rest) > _CHUNK_BYTES:
            rest, is_too_long = b"", True


def _signal(process: Process, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


def _why(error: OSError | ValueError, program: str) -> str:
    if isinstance(error, FileNotFoundError):
        return f"the program {program!r} or its folder does not exist; install it or correct the command"
    if isinstance(error, PermissionError):
        return f"the program {program!r} may not be executed; correct its permissions"
    return f"the program {program!r} cannot be started"
