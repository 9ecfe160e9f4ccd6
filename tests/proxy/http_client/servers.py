"""Raw servers: what they send is exactly what the test says."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tests.support.raw_client import WAIT_SECONDS
from vmcp_api.config import Network
from vmcp_proxy.http_client import Peer, TrustSetting, Url

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@dataclass
class Exchange:
    """One connection as the server sees it."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    server: "RawServer"

    async def read_request(self) -> bytes | None:
        """Return one request, head and body, or None at the end."""
        try:
            head = await self.reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            return None
        length = 0
        for line in head.split(b"\r\n"):
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        request = head + await self.reader.readexactly(length)
        self.server.requests.append(request)
        return request

    async def send(self, *pieces: bytes) -> None:
        for piece in pieces:
            self.writer.write(piece)
            await self.writer.drain()
            await asyncio.sleep(0)

    async def wait_closed(self) -> None:
        """Wait until the client has closed."""
        try:
            while await self.reader.read(1 << 16):
                pass
        except ConnectionError:
            pass
        self.server.closed_by_client.set()


Handler = Callable[[Exchange], Awaitable[None]]


@dataclass
class RawServer:
    port: int = 0
    connections: int = 0
    requests: list[bytes] = field(default_factory=list)
    closed_by_client: asyncio.Event = field(default_factory=asyncio.Event)
    tls: bool = False

    def peer(
        self,
        target: str = "/mcp",
        *,
        host: str = "127.0.0.1",
        network: Network = Network.LOCAL,
        trust: TrustSetting | None = None,
    ) -> Peer:
        scheme = "https" if self.tls else "http"
        url = Url.parse(f"{scheme}://{host}:{self.port}{target}")
        return Peer(url, network, trust or TrustSetting())


@asynccontextmanager
async def raw_server(handler: Handler, context: ssl.SSLContext | None = None) -> AsyncIterator[RawServer]:
    """Serve ``handler`` per connection; the socket closes when it returns."""
    server = RawServer(tls=context is not None)
    tasks: set[asyncio.Task[None]] = set()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server.connections += 1
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await handler(Exchange(reader, writer, server))
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            tasks.discard(task)
            writer.close()
            try:
                await asyncio.wait_for(writer.wait_closed(), 2)
            except (OSError, TimeoutError):
                writer.transport.abort()

    listener = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=context)
    server.port = listener.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listener.close()
        for task in list(tasks):
            task.cancel()
        if tasks:
            await asyncio.wait(list(tasks), timeout=30)
        await listener.wait_closed()


def answering(*pieces: bytes, close: bool = False) -> Handler:
    """Answer every request with these pieces, and close after the first if so asked."""

    async def handler(exchange: Exchange) -> None:
        while await exchange.read_request() is not None:
            await exchange.send(*pieces)
            if close:
                return
        exchange.server.closed_by_client.set()

    return handler


def silent_after(*pieces: bytes) -> Handler:
    """Send these pieces and then nothing, until the client closes."""

    async def handler(exchange: Exchange) -> None:
        await exchange.read_request()
        await exchange.send(*pieces)
        await exchange.wait_closed()

    return handler


async def until(condition: Callable[[], object]) -> None:
    """Let the event loop run until something is true."""
    async with asyncio.timeout(WAIT_SECONDS):
        while not condition():  # noqa: ASYNC110 - what it waits for has no event
            await asyncio.sleep(0)


async def ended(server: RawServer) -> None:
    """Wait until the client has closed its connection."""
    await asyncio.wait_for(server.closed_by_client.wait(), WAIT_SECONDS)


async def fetch(client, peer, method=b"POST", headers=(), body=b"{}", *, timeout=30.0, cap=1 << 20):  # noqa: ASYNC109 - handed on
    """Request and read all; return (status, body)."""
    response = await client.request(peer, method, headers, body, timeout=timeout)
    return response.status, await response.read(cap, timeout=timeout)
