"""What a stream is to say next: each thing once, however often it has happened meanwhile."""

import asyncio
from typing import Final, NamedTuple

import msgspec

MOST_PENDING: Final = 1024
"""Things that may wait for a client that does not read."""


class Notice(NamedTuple):
    """A notification without the id of its stream."""

    method: str
    params: msgspec.Raw | None = None


class News:
    """A queue in which a thing that happens again keeps its place; used from one event loop only."""

    __slots__ = ("_is_over", "_pending", "_woken")

    def __init__(self) -> None:
        self._pending: Final[dict[tuple[str, str], Notice]] = {}
        self._woken: Final = asyncio.Event()
        self._is_over = False

    def __len__(self) -> int:
        return len(self._pending)

    def put(self, notice: Notice, about: str = "") -> None:
        """Adds what has happened, `about` a URI where that is not all.

        Where too much waits the stream ends: its client asks again and reads anew, as it has to after any gap.
        """
        if self._is_over:
            return
        self._pending[notice.method, about] = notice
        if len(self._pending) > MOST_PENDING:
            self._pending.clear()
            self._is_over = True
        self._woken.set()

    def finish(self) -> None:
        """Ends the stream, after what waits."""
        self._is_over = True
        self._woken.set()

    async def next(self) -> Notice | None:
        """The next notice; None at the end."""
        while True:
            if self._pending:
                return self._pending.pop(next(iter(self._pending)))
            if self._is_over:
                return None
            self._woken.clear()
            await self._woken.wait()
