"""Work beside a call: what a backend should hear, and no caller should wait for."""

import asyncio
from collections.abc import Coroutine
from typing import Any


def do_aside(tasks: asyncio.TaskGroup, work: Coroutine[Any, Any, None], name: str) -> None:
    """Does the work in a task of its own; not at all once the process is going down."""
    try:
        tasks.create_task(work, name=name)
    except RuntimeError:
        # That is how a task group says that it takes no more.
        work.close()
