"""Comments on the streams of answers that have been silent for long."""

import asyncio
import contextlib
from typing import Final, Protocol

from vmcp_proxy.serve.eras.settings import LiveSettings

_COMMENT_SECONDS: Final = 1.0


class KeptAlive(Protocol):
    """An answer that is being waited for; `last_write` in loop time."""

    last_write: float

    async def comment(self) -> None:
        """Keeps the connection open through proxies that cut idle ones."""


class KeepAlive:
    """Comments on every exchange that has been silent for the keep-alive interval; one task for all of them."""

    def __init__(self, settings: LiveSettings) -> None:
        self._settings = settings
        self._exchanges: Final[set[KeptAlive]] = set()

    def add(self, exchange: KeptAlive) -> None:
        """Begins to look after an exchange."""
        self._exchanges.add(exchange)

    def discard(self, exchange: KeptAlive) -> None:
        """Stops looking after it."""
        self._exchanges.discard(exchange)

    async def run(self) -> None:
        """Looks at the exchanges forever."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(min(self._settings.current.keep_alive / 2, 1.0))
            # In a frame of its own: this one would hold the last exchange, and its headers, until the next comment.
            await self._comment_on_silent(loop.time() - self._settings.current.keep_alive)

    async def _comment_on_silent(self, since: float) -> None:
        """Side by side: a client that does not read must not hold up the comments of the others."""
        async with asyncio.TaskGroup() as group:
            for exchange in [each for each in self._exchanges if each.last_write <= since]:
                group.create_task(self._comment(exchange))

    async def _comment(self, exchange: KeptAlive) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_COMMENT_SECONDS):
                await exchange.comment()
