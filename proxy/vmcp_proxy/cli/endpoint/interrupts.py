"""Ctrl-C ends a command, whatever a library below makes of the first cancellation."""

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

AGAIN_SECONDS: Final = 5.0
"""How long a cancelled command has to say goodbye before it is cancelled once more."""


@contextmanager
def cancelling_on_interrupt(again: float = AGAIN_SECONDS) -> Iterator[None]:
    """Cancels the current task at SIGINT, and again every `again` seconds while the block goes on.

    A cancellation that comes in the same turn of the loop as a time-out of a library can be taken for the time-out and
    swallowed; the command would then wait for its answer to the end. Where a loop has no signals (Windows), what
    `asyncio.run` does about them stays.

    Raises:
        RuntimeError: no task runs.
    """
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    if task is None:
        raise RuntimeError("there is no task to cancel")
    next_time: asyncio.TimerHandle | None = None

    def interrupt() -> None:
        nonlocal next_time
        if next_time is not None:
            next_time.cancel()
        task.cancel()
        next_time = loop.call_later(again, interrupt)

    try:
        loop.add_signal_handler(signal.SIGINT, interrupt)
    except (NotImplementedError, RuntimeError, ValueError):
        yield
        return
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGINT)
        if next_time is not None:
            next_time.cancel()
