"""A TCP relay whose connections a test can break, as a network does."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from tests.support.tcp import listening


@dataclass
class Relay:
    """Passes bytes on to a loopback port; `opened` counts connections."""

    target: int
    port: int = 0
    host: str = "127.0.0.1"
    opened: int = 0
    _open: set[asyncio.StreamWriter] = field(default_factory=set)

    def cut(self) -> int:
        """Breaks every connection at once; how many they were."""
        broken = len(self._open)
        for writer in self._open:
            writer.transport.abort()
        return broken

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["Relay"]:
        """Listens while the block runs."""
        async with listening(self._serve, self.port, host=self.host) as self.port:
            yield self

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.target)
        self.opened += 1
        self._open.add(writer)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(_pass(reader, far_writer))
                group.create_task(_pass(far_reader, writer))
        finally:
            self._open.discard(writer)
            writer.transport.abort()
            far_writer.transport.abort()


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    writer.transport.abort()
