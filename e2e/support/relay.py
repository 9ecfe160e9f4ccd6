"""A program of a pod: carries each connection to the address that its first line names, as `host port`."""

import asyncio
import contextlib
import sys

CHUNK = 65_536
DIAL_SECONDS = 5.0


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Carries bytes one way until their end, and tells the other side of the end."""
    with contextlib.suppress(OSError):
        while data := await reader.read(CHUNK):
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()


async def carry(
    near: tuple[asyncio.StreamReader, asyncio.StreamWriter], far: tuple[asyncio.StreamReader, asyncio.StreamWriter]
) -> None:
    """Carries bytes both ways; closes both connections."""
    try:
        await asyncio.gather(pump(near[0], far[1]), pump(far[0], near[1]))
    finally:
        near[1].close()
        far[1].close()


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One connection; closed without a byte where the address does not answer."""
    try:
        async with asyncio.timeout(DIAL_SECONDS):
            host, port = (await reader.readline()).decode().split()
            far = await asyncio.open_connection(host, int(port))
    except (OSError, ValueError):
        # A probe of the port sends no line. TimeoutError is an OSError.
        writer.close()
        return
    await carry((reader, writer), far)


async def main(port: int) -> None:
    """Serves until the process is ended."""
    async with await asyncio.start_server(serve, "0.0.0.0", port) as server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
