"""Comments that keep silent exchanges open."""

import asyncio
import contextlib

from vmcp_proxy.serve.eras.keep_alive import KeepAlive
from vmcp_proxy.serve.eras.settings import EndpointSettings, LiveSettings


class Silent:
    """An exchange that has been silent for ever; `gate` is open where its client reads."""

    def __init__(self, *, reads):
        self.last_write = float("-inf")
        self.comments = 0
        self.twice = asyncio.Event()
        self._gate = asyncio.Event()
        if reads:
            self._gate.set()

    async def comment(self):
        await self._gate.wait()
        self.comments += 1
        if self.comments > 1:
            self.twice.set()


async def test_clients_that_do_not_read_do_not_hold_up_the_comments_of_the_others():
    keep_alive = KeepAlive(LiveSettings(EndpointSettings(keep_alive=0.01)))
    readers = [Silent(reads=True) for _ in range(5)]
    for each in (*(Silent(reads=False) for _ in range(8)), *readers):
        keep_alive.add(each)
    running = asyncio.create_task(keep_alive.run())
    async with asyncio.timeout(30):
        for reader in readers:
            await reader.twice.wait()
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
