"""Carries connections from sockets of the machine to ports of the node."""

import asyncio
import socket

from e2e.cluster.addresses import NODE_ADDRESS

CHUNK = 65_536
DIAL_TIMEOUT = 5.0


async def start_forwarder(descriptor: int, port: int) -> asyncio.Server:
    """Accepts on a listening socket that was opened outside, and dials from in here."""
    listener = socket.socket(fileno=descriptor)
    listener.set_inheritable(False)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _serve(reader, writer, port)

    return await asyncio.start_server(serve, sock=listener)


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int) -> None:
    try:
        async with asyncio.timeout(DIAL_TIMEOUT):
            far_reader, far_writer = await asyncio.open_connection(NODE_ADDRESS, port)
    except OSError:
        # Refused as the node refuses: at once, without a byte. TimeoutError is one too.
        writer.close()
        return
    try:
        async with asyncio.TaskGroup() as pumps:
            pumps.create_task(_pump(reader, far_writer))
            pumps.create_task(_pump(far_reader, writer))
    finally:
        writer.close()
        far_writer.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while chunk := await reader.read(CHUNK):
            writer.write(chunk)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
    except OSError:
        writer.close()
