"""A request of the modern era ends with its connection: that is how its client cancels it (ADR-0059)."""

import asyncio
from typing import Final

from vmcp_proxy.serve.context import RequestContext


class CancelledWithClient:
    """Cancels the task of a request once its client has gone, until `end`."""

    __slots__ = ("_context", "_task", "_watch", "has_gone")

    def __init__(self, context: RequestContext, task: "asyncio.Task[None]") -> None:
        self._context: Final = context
        self._task: Final = task
        self._watch: asyncio.Task[None] | None = None
        self.has_gone = False

    def begin(self) -> None:
        """Watches from now on; it costs a task only where the connection is none of ours."""
        if not self._context.when_gone(self._gone):
            self._watch = asyncio.create_task(self._wait(), name="wait for the client to go")

    def end(self) -> None:
        """The answer is made: whether the client still reads it is nobody's matter."""
        if self._watch is None:
            self._context.when_gone(None)
        else:
            self._watch.cancel()

    def _gone(self) -> None:
        self.has_gone = True
        self._task.cancel()

    async def _wait(self) -> None:
        while (await self._context.receive())["type"] != "http.disconnect":
            pass
        self._gone()
