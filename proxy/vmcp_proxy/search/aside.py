"""Work of searches that takes milliseconds: off the event loop, in threads that nothing else needs."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from typing import Any, Final, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

AT_ONCE: Final = 2
"""Threads that searches have together: those of the event loop's executor read configs and metrics."""


class Aside:
    """Runs functions in threads of its own, so many at once; the others wait for their turn.

    No thread can be stopped: a turn is over when its function is, also where nobody waits for that any more. Whoever
    bounds how long it waits, or is cancelled before its turn, leaves nothing behind.
    """

    def __init__(self, at_once: int = AT_ONCE) -> None:
        self._turns: Final = asyncio.Semaphore(at_once)
        self._threads: Final = ThreadPoolExecutor(at_once, thread_name_prefix="search")

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What the function returns or raises."""
        loop = asyncio.get_running_loop()
        await self._turns.acquire()
        try:
            future = self._threads.submit(copy_context().run, partial(work, *args, **kwargs))
        except BaseException:
            self._turns.release()
            raise
        future.add_done_callback(partial(self._over, loop))
        return await asyncio.wrap_future(future)

    def close(self) -> None:
        """Begins nothing any more; does not wait for what still runs."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _over(self, loop: asyncio.AbstractEventLoop, future: Future[Any]) -> None:
        del future
        # A loop that is closed has nobody who waits.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(self._turns.release)
