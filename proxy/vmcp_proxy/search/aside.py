"""Work of searches that takes milliseconds: off the event loop, and never with all the threads that others need."""

import asyncio
from collections.abc import Callable
from typing import Final, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

AT_ONCE: Final = 2
"""Threads that searches have together: names of backends are looked up by the same few."""


class Aside:
    """Runs functions in threads, so many at once; the others wait for their turn."""

    def __init__(self, at_once: int = AT_ONCE) -> None:
        self._turns: Final = asyncio.Semaphore(at_once)

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What the function returns or raises."""
        async with self._turns:
            return await asyncio.to_thread(work, *args, **kwargs)
