"""A network between pods and Redis that loses subscriptions, and nothing else, when a test says so."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from tests.support.redis_server import RedisServer
from tests.support.tcp import listening


@dataclass
class Relay:
    """Passes bytes on; connections that subscribe can be cut and kept out."""

    server: RedisServer
    port: int = 0
    is_deaf: bool = False
    subscribers: set[asyncio.StreamWriter] = field(default_factory=set)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def cut(self) -> None:
        """Lose every subscription, and each new one, until `mend`."""
        self.is_deaf = True
        for writer in self.subscribers:
            writer.transport.abort()

    def mend(self) -> None:
        self.is_deaf = False

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["Relay"]:
        async with listening(self._serve) as self.port:
            yield self

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            to_reader, to_writer = await asyncio.open_connection(self.server.host, self.server.port)
        except OSError:
            writer.transport.abort()
            return
        back = asyncio.create_task(self._pass(to_reader, writer))
        try:
            await self._pass(reader, to_writer, client=writer)
        finally:
            back.cancel()
            await asyncio.gather(back, return_exceptions=True)
            self.subscribers.discard(writer)
            writer.transport.abort()
            to_writer.transport.abort()

    async def _pass(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, client: asyncio.StreamWriter | None = None
    ) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                if client is not None and b"\r\nSUBSCRIBE\r\n" in data:
                    self.subscribers.add(client)
                if self.is_deaf and client in self.subscribers:
                    return
                writer.write(data)
                await writer.drain()
