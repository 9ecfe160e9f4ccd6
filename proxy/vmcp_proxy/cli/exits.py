"""How `vmcp` ends: the exit codes, and the error that carries one."""

from contextlib import suppress
from enum import IntEnum
from types import MappingProxyType
from typing import IO, Any, Final

import click


class Exit(IntEnum):
    """Exit codes, stable for scripts."""

    OK = 0
    FAILED = 1
    USAGE = 2
    INVALID = 3
    UNAVAILABLE = 4
    ADDRESS = 5
    NOTHING = 6
    INCOMPLETE = 7
    INTERNAL = 70
    HUNG_UP = 129
    INTERRUPTED = 130
    TERMINATED = 143


MEANINGS: Final = MappingProxyType(
    {
        Exit.OK: "done",
        Exit.FAILED: "the operation failed, for example the tool returned an error",
        Exit.USAGE: "the command line is wrong",
        Exit.INVALID: "an input file is invalid",
        Exit.UNAVAILABLE: "the endpoint cannot be reached or does not serve",
        Exit.ADDRESS: "the address to listen on is in use or cannot be used",
        Exit.NOTHING: "there was nothing to judge",
        Exit.INCOMPLETE: "a conversion loses something, or two endpoints differ",
        Exit.INTERNAL: "an internal error",
        Exit.HUNG_UP: "SIGHUP ended a call or a listing",
        Exit.INTERRUPTED: "Ctrl-C ended a call or a listing",
        Exit.TERMINATED: "SIGTERM ended a call or a listing",
    }
)


class CommandError(click.ClickException):
    """Ends the command with an exit code, a message on stderr and what to do about it."""

    def __init__(self, code: Exit, message: str, remedy: str = "") -> None:
        super().__init__(f"{message}; {remedy}" if remedy else message)
        self.exit_code = int(code)  # type: ignore[misc]  # click declares it on the class and reads the instance's

    def show(self, file: IO[Any] | None = None) -> None:
        # Whoever reads no output any more reads no error either (`2>&1 | head`), and the exit code still counts.
        with suppress(BrokenPipeError):
            click.echo(f"vmcp: {self.message}", file=file, err=file is None)
