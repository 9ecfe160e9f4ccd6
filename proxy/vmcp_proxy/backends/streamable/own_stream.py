"""The stream of a session that belongs to no request: whether it is there yet."""

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Final

_WAIT_SECONDS: Final = 1.0
"""How long the first request waits for the head of the stream; servers that offer one give it in milliseconds."""


class OwnStream:
    """The first requests of a session wait for the stream to be open, or refused, where somebody is to read it.

    What a server says outside of requests it says on this stream; most drop it while there is none.
    """

    __slots__ = ("_expected", "_listeners", "_until")

    def __init__(self) -> None:
        self._expected: asyncio.Event | None = None
        self._until = 0.0
        self._listeners: tuple[asyncio.Event, ...] = ()

    def __repr__(self) -> str:
        return f"<OwnStream expected={self.is_expected} listeners={len(self._listeners)}>"

    @property
    def is_expected(self) -> bool:
        """Whether requests should wait for it."""
        return self._expected is not None

    @property
    def is_read(self) -> bool:
        """Whether somebody reads it, or takes it up again in a moment."""
        return bool(self._listeners)

    def expect(self) -> None:
        """Has requests wait: somebody is about to open it."""
        if not self._listeners and self._expected is None:
            self._expected = asyncio.Event()
            self._until = asyncio.get_running_loop().time() + _WAIT_SECONDS

    def settled(self) -> None:
        """Lets requests go: its head is there, or there will be none."""
        expected, self._expected = self._expected, None
        if expected is not None:
            expected.set()

    async def wait(self) -> None:
        """Waits until it is settled, within the bound."""
        if self._expected is None:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(self._until):
                await self._expected.wait()
        self.settled()

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """Somebody reads it while the block runs."""
        over = asyncio.Event()
        self._listeners += (over,)
        try:
            yield
        finally:
            self._listeners = tuple(each for each in self._listeners if each is not over)
            over.set()
            self.settled()

    async def over(self) -> None:
        """Waits until nobody reads it any more."""
        while self._listeners:
            await self._listeners[0].wait()
