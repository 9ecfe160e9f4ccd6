"""One task serves the requests of a connection, one after the other."""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle


class ServesByOneTask(HttpToolsProtocol):
    """The part of a connection that has a task for its requests, which waits between them.

    To make a task for each request costs as much as several layers of the chain. A request that begins before the one
    before it has come to its end, though its answer has, gets a new task, and so does the one behind a request that
    was cancelled. Those of the server's `tasks` are busy, and it waits for them at its end.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._waiting: asyncio.Future[None] | None = None
        self._following: tuple[RequestResponseCycle, Any] | None = None
        self._is_lost = False

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._is_lost = True
        waiting, self._waiting = self._waiting, None
        if waiting is not None and not waiting.done():
            waiting.set_result(None)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is None or waiting.done():
            self.tasks.add(self.loop.create_task(self._serve_each(cycle, app)))
        else:
            self._following = (cycle, app)
            waiting.set_result(None)

    async def _serve_each(self, cycle: RequestResponseCycle, app: Any) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a coroutine runs in one
        while True:
            try:
                await cycle.run_asgi(app)
            except BaseException:
                # Not even an error could be answered: nobody may wait for it, or behind it.
                self.transport.close()
                raise
            finally:
                self.tasks.discard(task)
            del cycle
            if self._is_lost or self._waiting is not None or task.cancelling():
                return
            self._waiting = waiting = self.loop.create_future()
            await waiting
            following, self._following = self._following, None
            if following is None:
                return
            cycle, app = following
            self.tasks.add(task)
