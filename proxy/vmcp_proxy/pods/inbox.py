"""The messages of other pods that wait for their handlers: one after the other per session, sessions side by side."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final

from vmcp_proxy.pods.envelope import PodMessage

_PARALLEL: Final = 64
_MOST_PER_LANE: Final = 256
_MOST_BYTES: Final = 64 << 20
_OVERHEAD_BYTES: Final = 1024


class Lanes:
    """A queue per session that exists only while there is something in it, bounded in messages and in bytes.

    `handle` must not raise and must be bounded in time.
    """

    def __init__(self, handle: Callable[[PodMessage], Awaitable[None]]) -> None:
        self._handle: Final = handle
        self._lanes: Final[dict[str, deque[PodMessage]]] = {}
        self._begun: Final[asyncio.Queue[str]] = asyncio.Queue()
        self._slots: Final = asyncio.Semaphore(_PARALLEL)
        self._bytes = 0

    def put(self, message: PodMessage) -> bool:
        """Have a message handled after those that came before it; `False` when there is no room."""
        lane = self._lanes.get(message.digest)
        size = _size(message)
        if self._bytes + size > _MOST_BYTES or (lane is not None and len(lane) >= _MOST_PER_LANE):
            return False
        self._bytes += size
        if lane is None:
            lane = self._lanes[message.digest] = deque()
            self._begun.put_nowait(message.digest)
        lane.append(message)
        return True

    async def run(self) -> None:
        """Handle messages until cancelled."""
        async with asyncio.TaskGroup() as group:
            while True:
                digest = await self._begun.get()
                group.create_task(self._empty(digest), name=f"pod messages {digest[:8]}")

    async def _empty(self, digest: str) -> None:
        lane = self._lanes[digest]
        while lane:
            # The slot is given back after each message, so that a long lane does not hold up the others.
            async with self._slots:
                await self._handle(lane[0])
            self._bytes -= _size(lane.popleft())
        # Nothing is awaited since the lane was seen to be empty: no message can be lost in between.
        del self._lanes[digest]

    def __len__(self) -> int:
        return sum(len(lane) for lane in self._lanes.values())


def _size(message: PodMessage) -> int:
    return len(message.body) + _OVERHEAD_BYTES
