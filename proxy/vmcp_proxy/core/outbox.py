"""Messages that wait for a client's GET stream."""

import asyncio
from collections import deque
from typing import Final

_CAPACITY: Final = 1024
_MOST_BYTES: Final = 4 << 20


class Outbox:
    """A queue between many producers and one stream, bounded in messages and bytes; the oldest ones give way.

    A message that is larger than the bound waits alone.
    """

    __slots__ = ("_bytes", "_closed", "_filled", "_messages", "dropped")

    def __init__(self) -> None:
        self._messages: deque[bytes] = deque()
        self._filled = asyncio.Event()
        self._closed = False
        self._bytes = 0
        self.dropped = 0

    @property
    def is_closed(self) -> bool:
        """Whether no more messages are taken."""
        return self._closed

    def put(self, message: bytes) -> None:
        """Adds a message; nothing happens on a closed outbox."""
        if self._closed:
            return
        while self._messages and (len(self._messages) >= _CAPACITY or self._bytes + len(message) > _MOST_BYTES):
            self._bytes -= len(self._messages.popleft())
            self.dropped += 1
        self._messages.append(message)
        self._bytes += len(message)
        self._filled.set()

    def close(self) -> None:
        """Lets the reader finish with what is there."""
        self._closed = True
        self._filled.set()

    async def get(self) -> bytes | None:
        """The next message; None at the end."""
        while not self._messages:
            if self._closed:
                return None
            self._filled.clear()
            await self._filled.wait()
        message = self._messages.popleft()
        self._bytes -= len(message)
        return message
