"""What a program says on its standard output, line by line (MCP, "stdio")."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from enum import Enum, auto
from typing import Final, Protocol

from vmcp_proxy.backends.budget import Lease, ReadBudget

CHUNK_BYTES: Final = 256 << 10


class Readable(Protocol):
    """What a program says, as it comes."""

    async def read(self, n: int) -> bytes:
        """Up to so many bytes; empty at the end."""


class Ending(Enum):
    """Why no more lines are read."""

    OUTPUT = auto()
    TOO_LONG = auto()
    STALLED = auto()


async def read_lines(
    stream: Readable, max_bytes: int, budget: ReadBudget, take: Callable[[bytes], Awaitable[None]]
) -> Ending:
    """Hands over every line until the output ends, or cannot be read any more; an unfinished one counts on `budget`."""
    reading = asyncio.timeout(None)
    lease = budget.lease(lambda: reading.reschedule(0.0))
    lines = Lines(stream, max_bytes, lease)
    try:
        async with reading:
            while line := await lines.next():
                await take(line)
    except TimeoutError:
        return Ending.STALLED
    finally:
        lease.drop()
    return Ending.TOO_LONG if lines.is_too_long else Ending.OUTPUT


def as_line(message: bytes) -> bytes:
    """A JSON message as a program reads it: breaks of lines stand between its members alone."""
    return message.replace(b"\n", b" ").replace(b"\r", b" ") + b"\n"


class Lines:
    """Reads lines of at most `max_bytes`; an unfinished one counts on `lease`."""

    def __init__(self, stream: Readable, max_bytes: int, lease: Lease) -> None:
        self._stream = stream
        self._max_bytes = max_bytes
        self._lease = lease
        self._complete: deque[bytes] = deque()
        self._parts: list[bytes] = []
        self._size = 0
        self.is_too_long = False

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
                self.is_too_long = True
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
