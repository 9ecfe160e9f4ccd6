"""A TCP relay whose connections a test can break, as a network does."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Callable
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
    _silent: set[asyncio.StreamWriter] = field(default_factory=set)

    def cut(self, *, resets: bool = False) -> int:
        """Breaks every connection at once, by a reset (RST) where asked for; how many they were."""
        broken = len(self._open)
        for writer in self._open:
            if resets:
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
        return broken

    def silence(self) -> None:
        """Has nothing more come or go on the connections of now, which stay; those that are opened later work."""
        self._silent |= self._open

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
                group.create_task(_pass(reader, far_writer, lambda: writer in self._silent))
                group.create_task(_pass(far_reader, writer, lambda: writer in self._silent))
        finally:
            self._open.discard(writer)
            self._silent.discard(writer)
            writer.transport.abort()
            far_writer.transport.abort()


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, is_silent: Callable[[], bool]) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(1 << 16):
            if not is_silent():
                writer.write(data)
                await writer.drain()
    writer.transport.abort()
