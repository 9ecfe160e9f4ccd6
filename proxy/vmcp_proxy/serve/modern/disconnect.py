"""A request of the modern era ends with its connection: that is how its client cancels it (ADR-0059)."""

import asyncio
from typing import Final

from vmcp_proxy.serve.context import RequestContext


class CancelledWithClient:
    """Cancels the task of a request once its client has gone, from now on until `end`.

    It costs a task only where the connection is none of ours.
    """

    __slots__ = ("_connection", "_context", "_task", "_watch", "has_gone")

    def __init__(self, context: RequestContext, task: "asyncio.Task[None]") -> None:
        self._context: Final = context
        self._task: Final = task
        self.has_gone = False
        self._connection: Final = context.when_gone(self._gone)
        self._watch: asyncio.Task[None] | None = None
        if self._connection is None:
            self._watch = asyncio.create_task(self._wait(), name="wait for the client to go")

    def end(self) -> None:
        """The answer is made: whether the client still reads it is nobody's matter."""
        if self._connection is not None:
            self._connection.on_gone = None
        elif self._watch is not None:
            self._watch.cancel()

    def _gone(self) -> None:
        self.has_gone = True
        self._task.cancel()

    async def _wait(self) -> None:
        while (await self._context.receive())["type"] != "http.disconnect":
            pass
        self._gone()
