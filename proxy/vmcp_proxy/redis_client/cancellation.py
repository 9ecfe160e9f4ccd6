"""A guard against libraries that lose a cancellation."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def keeping_cancellation() -> Iterator[None]:
    """Raise the cancellation that arrived in this block, should the block have swallowed it.

    redis-py writes through `asyncio.wait_for`, which before Python 3.12 returns normally when the cancellation
    and the result arrive together: the task would then run on for ever and its group never end.
    """
    task = asyncio.current_task()
    before = task.cancelling() if task is not None else 0
    try:
        yield
    finally:
        if task is not None and task.cancelling() > before:
            raise asyncio.CancelledError
