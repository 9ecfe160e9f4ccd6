"""One backend of each kind on its own, with a receiver that remembers."""

import asyncio
import contextlib
from typing import Any

import msgspec

from vmcp_api.config import Network
from vmcp_proxy.backends.deadline import Deadline
from vmcp_proxy.backends.interface import OWN_TERMS, Reply
from vmcp_proxy.backends.over_http import HttpBackendSettings
from vmcp_proxy.backends.sse.backend import SseBackend
from vmcp_proxy.backends.streamable import HttpBackend
from vmcp_proxy.http_client import ClientLimits, HttpClient, Peer, Url
from vmcp_proxy.protocol.jsonrpc import Request

CAP = 64 << 10
SETTINGS = HttpBackendSettings(max_response=CAP, connect_timeout=2.0, software_version="0")
CLIENT_HEADERS = ((b"X-Api-Key", b"canary"),)
HELLO = {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": {"name": "s", "version": "1"}}


class Recorder:
    """A receiver: `heard` are methods and params, `asked` are requests with their way back."""

    log_level = None
    takes_rounds = False

    def __init__(self) -> None:
        self.heard: list[tuple[str, Any]] = []
        self.asked: list[tuple[Request, Reply]] = []

    async def on_notification(self, method: str, params: msgspec.Raw | None) -> None:
        self.heard.append((method, None if params is None else msgspec.json.decode(params)))

    async def on_request(self, request: Request, reply: Reply) -> None:
        self.asked.append((request, reply))

    @property
    def methods(self) -> list[str]:
        return [method for method, _ in self.heard]


def within(seconds: float = 45.0) -> Deadline:
    return Deadline.after(asyncio.get_running_loop().time(), seconds)


def peer(port: int, path: str = "/mcp") -> Peer:
    return Peer(Url.parse(f"http://127.0.0.1:{port}{path}"), Network.LOCAL)


@contextlib.asynccontextmanager
async def streamable_backend(server, settings=SETTINGS):
    """A backend for a `RawServer` that speaks Streamable HTTP."""
    client = HttpClient(ClientLimits())
    try:
        async with server.running(), asyncio.TaskGroup() as tasks:
            yield HttpBackend("one", peer(server.port), client, settings, tasks)
    finally:
        await client.aclose()


@contextlib.asynccontextmanager
async def streamable(server, settings=SETTINGS):
    """A session with it."""
    async with streamable_backend(server, settings) as backend:
        yield await backend.open(OWN_TERMS, CLIENT_HEADERS, within())


@contextlib.asynccontextmanager
async def sse_backend(server, path: str = "/sse", settings=SETTINGS):
    """A backend for a `RawServer` that speaks HTTP+SSE."""
    client = HttpClient(ClientLimits())
    try:
        async with server.running(), asyncio.TaskGroup() as tasks:
            backend = SseBackend("one", peer(server.port, path), client, settings, tasks)
            try:
                yield backend
            finally:
                await backend.aclose()
    finally:
        await client.aclose()


async def call(session, receiver=None, seconds: float = 10.0, name: str = "t", number: int | None = None):
    """The text that a tool answers."""
    number = session.next_id() if number is None else number
    params = msgspec.json.encode({"name": name, "_meta": {"progressToken": number}})
    answer = await session.request(
        number, "tools/call", params, CLIENT_HEADERS, within(seconds), receiver or Recorder()
    )
    assert answer.result is not None, answer
    return msgspec.json.decode(answer.result)["content"][0]["text"]
