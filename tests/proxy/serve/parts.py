"""Raw requests in pieces."""

import asyncio
import contextlib


async def in_parts(port: int, *parts: bytes) -> bytes:
    """All that comes back when parts are sent one by one, apart enough to be read apart as a rule."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for part in parts:
            await asyncio.sleep(0.02 if len(parts) < 9 else 0)
            writer.write(part)
            await writer.drain()
        async with asyncio.timeout(10):
            return await reader.read()
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def in_whole(port: int, sent: bytes) -> bytes:
    """All that comes back to a client that closes its side behind its last byte."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(sent)
        writer.write_eof()
        async with asyncio.timeout(10):
            return await reader.read()
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
