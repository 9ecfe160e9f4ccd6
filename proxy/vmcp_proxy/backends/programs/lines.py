"""What a program says on its standard output, line by line (MCP, "stdio")."""

import asyncio
from collections import deque
from typing import Final

from vmcp_proxy.backends.budget import Lease

CHUNK_BYTES: Final = 256 << 10


class Lines:
    """Reads lines of at most `max_bytes`; an unfinished one counts on `lease`."""

    def __init__(self, stream: asyncio.StreamReader, max_bytes: int, lease: Lease) -> None:
        self._stream = stream
        self._max_bytes = max_bytes
        self._lease = lease
        self._complete: deque[bytes] = deque()
        self._parts: list[bytes] = []
        self._size = 0

    async def next(self) -> bytes:
        """The next line, with its line break; empty at the end, also where a line is too long."""
        while not self._complete:
            chunk = await self._stream.read(CHUNK_BYTES)
            if not chunk:
                return self._take_parts()
            *ends, rest = chunk.split(b"\n")
            for end in ends:
                self._add(end, b"\n")
                self._complete.append(self._take_parts())
            self._add(rest)
            if self._size > self._max_bytes:
                self._take_parts()
                return b""
            await self._lease.hold(self._size)
        return self._complete.popleft()

    def _add(self, *pieces: bytes) -> None:
        self._parts += pieces
        self._size += sum(map(len, pieces))

    def _take_parts(self) -> bytes:
        line = b"".join(self._parts)
        self._parts.clear()
        self._size = 0
        return line
