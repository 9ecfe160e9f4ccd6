"""One of the streams that an attachment carries, as its reader sees it."""

import asyncio
from collections import deque
from typing import Final

MOST_BYTES: Final = 1 << 20
"""Of what has come and is not read; then the attachment is not read either, and the process waits."""


class Pipe:
    """Takes what comes and gives it out again; bounded."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._chunks: deque[bytes] = deque()
        self._size = 0
        self._has_ended = False
        self._changed = asyncio.Event()

    async def feed(self, data: bytes) -> None:
        """Adds what has come, once there is room; what comes after the end is dropped."""
        while self._size >= self._most_bytes and not self._has_ended:
            await self._change()
        if data and not self._has_ended:
            self._chunks.append(data)
            self._size += len(data)
            self._changed.set()

    def end(self) -> None:
        """Says that nothing comes any more."""
        self._has_ended = True
        self._changed.set()

    async def read(self, most: int) -> bytes:
        """Up to so many bytes; empty at the end."""
        while not self._chunks:
            if self._has_ended:
                return b""
            await self._change()
        chunk = self._chunks.popleft()
        if len(chunk) > most:
            self._chunks.appendleft(chunk[most:])
            chunk = chunk[:most]
        self._size -= len(chunk)
        self._changed.set()
        return chunk

    async def _change(self) -> None:
        self._changed.clear()
        await self._changed.wait()
