"""Programs on this machine: how they are started, what they inherit, and how they are ended."""

import asyncio
import contextlib
import os
import signal
from asyncio.subprocess import PIPE, Process
from dataclasses import dataclass, field
from typing import Final

from vmcp_api.text.texts import find_program_flaw
from vmcp_proxy.backends.errors import BackendError, Category
from vmcp_proxy.backends.programs.environment import find_argument_secrets, find_inherited_secrets, inherited
from vmcp_proxy.backends.programs.lines import CHUNK_BYTES
from vmcp_proxy.observability.masking import Masks

_GRACE_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class StdioCommand:
    """The program, its environment and its folder; `repr` shows neither words nor variables, which may hold secrets."""

    args: tuple[str, ...] = field(repr=False)
    env: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    cwd: str | None = None

    def environment(self, base: dict[str, str]) -> dict[str, str]:
        """What every program inherits of `base`, with the configured variables on top."""
        return inherited(base) | dict(self.env)

    def flaw(self) -> str:
        """What keeps any program from being started like this; names places, never values."""
        words = ((f"word {number} of its command", word) for number, word in enumerate(self.args, 1))
        variables = ((f"its variable {name}", value) for name, value in self.env)
        for place, text in (*words, *variables, ("its folder", self.cwd or "")):
            if found := find_program_flaw(text):
                return f"{place} {found}"
        return ""

    def masks(self, base: dict[str, str]) -> Masks:
        """What must not be shown of all that the program is given."""
        return Masks(
            (
                *(value for _, value in self.env),
                *find_argument_secrets(self.args),
                *find_inherited_secrets(inherited(base)),
            )
        )


async def start(backend: str, command: StdioCommand, base: dict[str, str]) -> Process:
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
            limit=CHUNK_BYTES,
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


def _signal(process: Process, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


def _why(error: OSError | ValueError, program: str) -> str:
    if isinstance(error, FileNotFoundError):
        return f"the program {program!r} or its folder does not exist; install it or correct the command"
    if isinstance(error, PermissionError):
        return f"the program {program!r} may not be executed; correct its permissions"
    return f"the program {program!r} cannot be started"
