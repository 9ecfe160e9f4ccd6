"""Carries each connection that it takes to another; as a program of a pod, to the address that its first line names."""

import asyncio
import contextlib
import functools
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable

CHUNK = 65_536
DIAL_SECONDS = 30.0
AGAIN_SECONDS = 0.1

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def accepting(
    listen: Callable[[Serve], Awaitable[asyncio.Server]],
    dial: Callable[[asyncio.StreamReader], Awaitable[Streams]],
) -> AsyncIterator[asyncio.Server]:
    """A server each of whose connections is carried to the one that `dial` opens for it, until the end of the context.

    A connection is closed without a byte where nothing answers within `DIAL_SECONDS`; `dial` may read first.
    """
    busy: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        busy.add(task)
        try:
            async with asyncio.timeout(DIAL_SECONDS):
                far = await dial(reader)
            await carry((reader, writer), far)
        except (OSError, ValueError):
            # A probe of the port sends no line. TimeoutError is an OSError.
            writer.close()
        except asyncio.CancelledError:
            # The end of the server; one of streams takes an unhandled one for a failure.
            writer.close()
        finally:
            busy.discard(task)

    async with await listen(serve) as server:
        try:
            yield server
        finally:
            server.close()
            tasks = tuple(busy)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def carry(near: Streams, far: Streams) -> None:
    """Carries bytes both ways; closes both connections."""
    try:
        await asyncio.gather(_pump(near[0], far[1]), _pump(far[0], near[1]))
    finally:
        near[1].close()
        far[1].close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Carries bytes one way until their end, and tells the other side of the end."""
    with contextlib.suppress(OSError):
        while data := await reader.read(CHUNK):
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()


async def _dial_named(reader: asyncio.StreamReader) -> Streams:
    """The address that the first line names, as `host port`.

    A node refuses connections to a Service until it has heard of the first pod that is ready, and the cluster's DNS
    knows none of it for a moment: it is asked again.
    """
    host, port = (await reader.readline()).decode().split()
    while True:
        try:
            return await asyncio.open_connection(host, int(port))
        except (ConnectionRefusedError, socket.gaierror):
            await asyncio.sleep(AGAIN_SECONDS)


async def _main(port: int) -> None:
    """Serves until the process is ended."""
    listen = functools.partial(asyncio.start_server, host="0.0.0.0", port=port)
    async with accepting(listen, _dial_named) as server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_main(int(sys.argv[1])))
