"""Tests of real time in a process that the machine may hold up meanwhile."""

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

from tests.support.raw_client import WAIT_SECONDS

_LOOK_SECONDS = 0.02


class Pauses:
    """How long the loop did nothing, in seconds: `longest` so far."""

    def __init__(self) -> None:
        self.longest = 0.0

    async def watch(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            slept = loop.time()
            await asyncio.sleep(_LOOK_SECONDS)
            self.longest = max(self.longest, loop.time() - slept - _LOOK_SECONDS)


@contextlib.asynccontextmanager
async def pauses() -> AsyncIterator[Pauses]:
    """Watches the loop."""
    seen = Pauses()
    watching = asyncio.create_task(seen.watch())
    await asyncio.sleep(0)
    try:
        yield seen
        # Where it is held up right now, that is known after one more look.
        await asyncio.sleep(2 * _LOOK_SECONDS)
    finally:
        watching.cancel()


def again_where_held_up(seconds: float) -> Callable[..., Callable[..., Coroutine[Any, Any, None]]]:
    """Runs a test anew that failed while its process was held up for so long: it had no chance to do its part in time.

    What it does "all the time" has then not been done for `seconds`, so that its failure says nothing of the product.
    """

    def wrap(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., Coroutine[Any, Any, None]]:
        @functools.wraps(test)
        async def run(*args: Any, **kwargs: Any) -> None:
            async with asyncio.timeout(2 * WAIT_SECONDS):
                while True:
                    failure: AssertionError | None = None
                    async with pauses() as seen:
                        try:
                            await test(*args, **kwargs)
                        except AssertionError as error:
                            failure = error
                    if failure is None:
                        return
                    if seen.longest < seconds:
                        raise failure

        return run

    return wrap
