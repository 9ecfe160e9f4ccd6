"""TLS in front of a plain server on the loopback: what a test needs to see handshakes."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass

from tests.support.tcp import listening


@dataclass
class TlsFront:
    """Where it listens, and how many connections have come through their handshake."""

    port: int = 0
    handshakes: int = 0


@contextlib.asynccontextmanager
async def tls_front(context: ssl.SSLContext, target: int) -> AsyncIterator[TlsFront]:
    """Hands the bytes of TLS connections on to a plain port, both ways, while the block runs."""
    front = TlsFront()

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.transport.abort()

    async def both(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        front.handshakes += 1
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", target)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(carry(reader, inner_writer))
                group.create_task(carry(inner_reader, writer))
        finally:
            inner_writer.transport.abort()
            writer.transport.abort()

    async with listening(both, context=context) as front.port:
        yield front
