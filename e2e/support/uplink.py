"""Servers of this machine that pods reach, at a port of the node's address.

Nothing routes between the two networks: a program in the node's network takes the connections and hands each on through
a socket file, which is the same in both. An identity provider of a test stays in the test's hands that way, and a real
one, which is half a gigabyte with its Java, need not become an image.
"""

import asyncio
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import TypeVar

from e2e.cluster import Cluster, ClusterError
from e2e.cluster.addresses import NODE_ADDRESS
from e2e.support import relay

READY = "listens"
PATIENCE = 20.0

Served = TypeVar("Served")


@contextmanager
def uplink(cluster: Cluster, near: int, far: int) -> Iterator[str]:
    """Leads port `far` of the node to port `near` of this machine's loopback; yields the origin that pods use.

    Raises:
        ClusterError: the node's side did not come up.
    """
    with tempfile.TemporaryDirectory() as folder, beside(_carrying(Path(folder, "up"), near)):
        process = cluster.popen([sys.executable, "-m", "e2e.support.uplink", str(far), f"{folder}/up"])
        try:
            _await_ready(process)
            yield f"http://{NODE_ADDRESS}:{far}"
        finally:
            process.kill()
            process.communicate()


@contextmanager
def beside(serving: AbstractAsyncContextManager[Served]) -> Iterator[Served]:
    """What serves in a loop and a thread of its own, as tests block their loop while kubectl works."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="beside the tests")
    thread.start()
    try:
        value = asyncio.run_coroutine_threadsafe(serving.__aenter__(), loop).result(PATIENCE)
        try:
            yield value
        finally:
            asyncio.run_coroutine_threadsafe(serving.__aexit__(None, None, None), loop).result(PATIENCE)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(PATIENCE)
        loop.close()


def _carrying(socket: Path, near: int) -> AbstractAsyncContextManager[asyncio.Server]:
    """Carries what comes through the socket file to a port of the loopback."""
    return relay.accepting(
        partial(asyncio.start_unix_server, path=socket), lambda _reader: asyncio.open_connection("127.0.0.1", near)
    )


def _await_ready(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    said = process.stdout.readline()
    if READY not in said:
        raise ClusterError(f"the uplink did not come up: {said}{process.communicate()[0]}")


async def _main(port: int, socket: str) -> None:
    """The node's side: each connection to the port goes through the socket file, until the process is ended."""
    listen = partial(asyncio.start_server, host="0.0.0.0", port=port)
    async with relay.accepting(listen, lambda _reader: asyncio.open_unix_connection(socket)) as server:
        print(READY, flush=True)
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_main(int(sys.argv[1]), sys.argv[2]))
