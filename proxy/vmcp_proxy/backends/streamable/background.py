"""Work beside calls: what a backend should hear, and no caller should wait for."""

import asyncio
from collections.abc import Coroutine
from typing import Any, Final

_MOST: Final = 64


class Aside:
    """Does work in tasks of its own, a bounded number at a time for one backend; what is beyond is left out."""

    def __init__(self, tasks: asyncio.TaskGroup) -> None:
        self._tasks: Final = tasks
        self._running = 0

    def do(self, work: Coroutine[Any, Any, None], name: str) -> None:
        """Begins the work, unless there is too much of it or the process is going down."""
        if self._running >= _MOST:
            work.close()
            return
        try:
            task = self._tasks.create_task(work, name=name)
        except RuntimeError:
            # That is how a task group says that it takes no more.
            work.close()
            return
        self._running += 1
        task.add_done_callback(self._done)

    def _done(self, _task: asyncio.Task[None]) -> None:
        self._running -= 1
