"""The least that a Python proxy can do: uvicorn in front, an HTTP client behind, body and needed headers copied.

No catalog, no session of its own, no policy, no metrics: what is left is the price of two HTTP hops.
"""

import argparse
import asyncio
import contextlib
from collections.abc import AsyncIterator

import aiohttp
import uvicorn
import uvloop
from starlette.types import ASGIApp, Receive, Scope, Send

from vmcp_api.config import Network
from vmcp_proxy.http_client import HttpClient, Peer, Url

COPIED = frozenset((b"content-type", b"accept", b"mcp-protocol-version", b"mcp-session-id"))
RETURNED = (b"content-type", b"mcp-session-id")
_SECONDS = 60.0
_MAX_BYTES = 16 << 20


async def read_body(receive: Receive) -> bytes:
    message = await receive()
    body: bytes = message.get("body", b"")
    while message.get("more_body"):
        message = await receive()
        body += message.get("body", b"")
    return body


async def answer(send: Send, status: int, fields: list[tuple[bytes, bytes]], body: bytes) -> None:
    if status != 204:
        fields.append((b"content-length", b"%d" % len(body)))
    await send({"type": "http.response.start", "status": status, "headers": fields})
    await send({"type": "http.response.body", "body": body})


@contextlib.asynccontextmanager
async def over_httptools(url: str) -> AsyncIterator[ASGIApp]:
    """An application that forwards with the proxy's own HTTP client."""
    client = HttpClient()
    peer = Peer(Url.parse(url), Network.LOCAL)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        body = await read_body(receive)
        headers = [pair for pair in scope["headers"] if pair[0] in COPIED]
        method = scope["method"].encode()
        response = await client.request(peer, method, headers, body, timeout=_SECONDS)
        content = await response.read(_MAX_BYTES, timeout=_SECONDS)
        back = response.headers
        fields = [(name, value) for name in RETURNED if (value := back.get(name)) is not None]
        await answer(send, response.status, fields, content)

    try:
        yield app
    finally:
        await client.aclose()


@contextlib.asynccontextmanager
async def over_aiohttp(url: str) -> AsyncIterator[ASGIApp]:
    """The same with aiohttp."""
    timeout = aiohttp.ClientTimeout(total=_SECONDS)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=timeout) as client:

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            body = await read_body(receive)
            headers = {name.decode(): value.decode() for name, value in scope["headers"] if name in COPIED}
            async with client.request(scope["method"], url, headers=headers, data=body) as response:
                content = await response.read()
                back = response.headers
                fields = [(name, back[key].encode()) for name in RETURNED if (key := name.decode()) in back]
                await answer(send, response.status, fields, content)

        yield app


CLIENTS = {"httptools": over_httptools, "aiohttp": over_aiohttp}


async def serve(client: str, url: str, port: int) -> None:
    async with CLIENTS[client](url) as app:
        config = uvicorn.Config(
            app,
            port=port,
            http="httptools",
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=1,
        )
        await uvicorn.Server(config).serve()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("client", choices=CLIENTS)
    parser.add_argument("url")
    parser.add_argument("port", type=int)
    options = parser.parse_args()
    with contextlib.suppress(asyncio.CancelledError, KeyboardInterrupt):
        uvloop.run(serve(options.client, options.url, options.port))


if __name__ == "__main__":
    main()
