"""The hard time limit of requests, from which streams are exempt."""

import asyncio
import time
from typing import Final

from vmcp_proxy.serve.chain.header_rules import wants_stream
from vmcp_proxy.serve.context import Handler, RequestContext
from vmcp_proxy.serve.rejections import Cut

NAME: Final = "stream_timeout"
_TICK: Final = 1.0


class InFlight:
    """The requests that are being served.

    One supervisor looks at all of them once a second, because a timer for each request would cost more than
    most layers together. Nothing here is awaited by a request.
    """

    __slots__ = ("_drained", "_tasks", "_tick", "is_over")

    def __init__(self, tick: float = _TICK) -> None:
        self._tasks: dict[RequestContext, tuple[asyncio.Task[None], float]] = {}
        self._tick = tick
        self._drained: asyncio.Future[None] | None = None
        self.is_over = False
        """Whether everything has been cut: requests still arrive while the listener closes."""

    def __len__(self) -> int:
        return len(self._tasks)

    @property
    def calls(self) -> int:
        """How many of them are no streams."""
        return sum(not context.is_stream for context in self._tasks)

    def add(self, context: RequestContext, maximum: float) -> None:
        """Begins to watch the request of the current task; `maximum` in seconds from its start."""
        task = asyncio.current_task()
        if task is not None:
            self._tasks[context] = (task, context.started + maximum)

    def discard(self, context: RequestContext) -> None:
        """Stops watching a request."""
        self._tasks.pop(context, None)
        if self._drained is not None and not self._drained.done() and not self.calls:
            self._drained.set_result(None)

    async def drained(self) -> None:
        """Waits until nothing but streams is in flight; one caller at a time."""
        while self.calls:
            self._drained = asyncio.get_running_loop().create_future()
            await self._drained

    async def run(self) -> None:
        """Cuts overdue requests, for ever; a crash ends the group of tasks that it runs in."""
        while True:
            await asyncio.sleep(self._tick)
            self.cut_overdue(time.perf_counter())

    def cut_overdue(self, now: float) -> int:
        """Cuts the requests whose time is up, streams excepted; how many they were."""
        return self._cut(
            [
                (context, task)
                for context, (task, deadline) in self._tasks.items()
                if now >= deadline and not context.is_stream
            ],
            Cut.TIMEOUT,
        )

    def cut_all(self) -> int:
        """Cuts everything, streams and what comes later too, because the process ends; how many they were."""
        self.is_over = True
        return self._cut([(context, task) for context, (task, _) in self._tasks.items()], Cut.SHUTDOWN)

    def _cut(self, entries: list[tuple[RequestContext, asyncio.Task[None]]], cut: Cut) -> int:
        for context, task in entries:
            if context.cut is None:
                context.cut = cut
                task.cancel()
        return len(entries)


def stream_timeout(inner: Handler, in_flight: InFlight, maximum: float) -> Handler:
    """Bounds requests to `maximum` seconds; a GET for an event stream is never cut.

    A request that is cut before its response began gets 504 (503 at shutdown), in a session an error with 200
    (ADR-0050); later the connection is closed. A cancellation that comes from elsewhere passes.
    """

    async def handle(context: RequestContext) -> None:
        if context.http_method == "GET" and wants_stream(context.header(b"accept")):
            context.is_stream = True
        if in_flight.is_over:
            context.cut = Cut.SHUTDOWN
        else:
            in_flight.add(context, maximum)
            try:
                await inner(context)
            except asyncio.CancelledError:
                task = asyncio.current_task()
                if context.cut is None or task is None or task.uncancel() > 0:
                    raise
            finally:
                in_flight.discard(context)
        if context.cut is not None and not context.response_started:
            await context.reject(NAME, context.cut.value)

    return handle
