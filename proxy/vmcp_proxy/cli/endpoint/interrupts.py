"""Whoever ends a command ends what it waits for, whatever a library below makes of the first cancellation."""

import asyncio
import fcntl
import os
import signal
import stat
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from types import MappingProxyType
from typing import Final

from vmcp_proxy.cli.exits import CommandError, Exit

AGAIN_SECONDS: Final = 5.0
"""How long a cancelled command has to say goodbye before it is cancelled once more."""

_SIGNALS: Final[Mapping[signal.Signals, Exit]] = MappingProxyType(
    {signal.SIGINT: Exit.INTERRUPTED, signal.SIGTERM: Exit.TERMINATED, signal.SIGHUP: Exit.HUNG_UP}
)


class Interruption:
    """What has ended a command; Ctrl-C where nothing else is known of it."""

    def __init__(self) -> None:
        self.error = CommandError(Exit.INTERRUPTED, "interrupted")


@contextmanager
def cancelling_on_interrupt(interruption: Interruption, again: float = AGAIN_SECONDS) -> Iterator[None]:
    """Cancels the current task when the command is to end, and again every `again` seconds while the block goes on.

    It ends by SIGINT, SIGTERM and SIGHUP, but for those that were ignored when it began (nohup), and when whoever reads
    its output has gone: an endpoint would otherwise work on for nobody, because a broken connection cancels no
    call. A cancellation that comes in the same turn of the loop as a time-out of a library can be taken for the
    time-out and swallowed; the command would then wait for its answer to the end. Where a loop takes no signals (in a
    thread), what `asyncio.run` does about them stays.

    Raises:
        RuntimeError: no task runs.
    """
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    if task is None:
        raise RuntimeError("there is no task to cancel")
    next_time: asyncio.TimerHandle | None = None

    def cancel() -> None:
        nonlocal next_time
        if next_time is not None:
            next_time.cancel()
        task.cancel()
        next_time = loop.call_later(again, cancel)

    def end(error: CommandError) -> None:
        interruption.error = error
        cancel()

    with ExitStack() as undone:
        _on_signals(loop, end, undone)
        _on_closed_output(loop, end, undone)
        try:
            yield
        finally:
            if next_time is not None:
                next_time.cancel()


def _on_signals(loop: asyncio.AbstractEventLoop, end: Callable[[CommandError], None], undone: ExitStack) -> None:
    for number, code in _SIGNALS.items():
        if signal.getsignal(number) is signal.SIG_IGN:
            continue
        said = "interrupted" if number is signal.SIGINT else f"ended by {number.name}"
        try:
            loop.add_signal_handler(number, end, CommandError(code, said))
        except (NotImplementedError, RuntimeError, ValueError):
            return
        undone.callback(loop.remove_signal_handler, number)


def _on_closed_output(loop: asyncio.AbstractEventLoop, end: Callable[[CommandError], None], undone: ExitStack) -> None:
    """Nothing is written while a call goes on, so that no write tells that `| head` has had enough."""
    output = _pipe()
    if output is None:
        return

    def gone() -> None:
        loop.remove_reader(output)
        end(CommandError(Exit.FAILED, "nobody reads the output any more"))

    # The end of a pipe that is written to becomes readable when the other end is closed, and only then.
    loop.add_reader(output, gone)
    undone.callback(loop.remove_reader, output)


def _pipe() -> int | None:
    """The file descriptor of standard output where it is a pipe that can only be written to."""
    try:
        output = sys.stdout.fileno()
        is_pipe = stat.S_ISFIFO(os.fstat(output).st_mode)
        is_written = fcntl.fcntl(output, fcntl.F_GETFL) & os.O_ACCMODE == os.O_WRONLY
    except (AttributeError, OSError, ValueError):
        return None
    return output if is_pipe and is_written else None
