"""Bare clients of one server: over stdio and both HTTP transports, one of which is also how the proxy is asked."""

import asyncio
import contextlib
import itertools
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any, Protocol
from urllib.parse import urljoin

import httpx2

from tests.support.raw_client import ACCEPT, initialize

LINE_BYTES = 64 << 20
WAIT_SECONDS = 60.0
LISTS = {
    "tools/list": "tools",
    "resources/list": "resources",
    "resources/templates/list": "resourceTemplates",
    "prompts/list": "prompts",
}


class Asks(Protocol):
    """Sends one request and returns the whole answer."""

    async def request(self, method: str, params: dict[str, Any] | None = None) -> dict[str, Any]: ...


class StdioClient:
    """One program; what it asks is answered with an error, what it tells is dropped."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._ids = itertools.count(1)

    async def request(self, method: str, params: dict[str, Any] | None = None) -> dict[str, Any]:
        number = next(self._ids)
        await self._send({"jsonrpc": "2.0", "id": number, "method": method, "params": params or {}})
        async with asyncio.timeout(WAIT_SECONDS):
            while True:
                line = await self._process.stdout.readline()
                if not line:
                    raise ConnectionError("the program has ended")
                with contextlib.suppress(ValueError):
                    message = json.loads(line)
                    if message.get("id") == number and "method" not in message:
                        return message
                    if "id" in message and "method" in message:
                        error = {"code": -32601, "message": "not here"}
                        await self._send({"jsonrpc": "2.0", "id": message["id"], "error": error})

    async def told(self, method: str) -> None:
        await self._send({"jsonrpc": "2.0", "method": method})

    async def _send(self, message: dict[str, Any]) -> None:
        self._process.stdin.write(json.dumps(message).encode() + b"\n")
        await self._process.stdin.drain()


@contextlib.asynccontextmanager
async def over_stdio(command: list[str], environment: Mapping[str, str], folder: str) -> AsyncIterator[StdioClient]:
    """Starts a program, shakes hands, and ends it."""
    process = await asyncio.create_subprocess_exec(
        *command,
        env=environment,
        cwd=folder,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        limit=LINE_BYTES,
    )
    try:
        client = StdioClient(process)
        await client.request("initialize", initialize()["params"])
        await client.told("notifications/initialized")
        yield client
    finally:
        process.stdin.close()
        try:
            async with asyncio.timeout(3):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


class HttpClient:
    """A session at a Streamable HTTP endpoint, or none where the server gives none."""

    def __init__(self, http: httpx2.AsyncClient, url: str) -> None:
        self._http = http
        self._url = url
        self._headers = {"accept": ACCEPT}
        self._ids = itertools.count(1)

    async def open(self) -> None:
        answer, body = await self._post("initialize", id=0, params=initialize()["params"])
        if session := answer.headers.get("mcp-session-id"):
            self._headers["mcp-session-id"] = session
        self._headers["mcp-protocol-version"] = body["result"]["protocolVersion"]
        await self._post("notifications/initialized")

    async def request(self, method: str, params: dict[str, Any] | None = None) -> dict[str, Any]:
        return (await self._post(method, id=next(self._ids), params=params or {}))[1]

    async def close(self) -> None:
        await self._http.delete(self._url, headers=self._headers)

    async def _post(self, method: str, **members: Any) -> tuple[httpx2.Response, dict[str, Any]]:
        message = {"jsonrpc": "2.0", "method": method, **members}
        answer = await self._http.post(self._url, json=message, headers=self._headers)
        if answer.headers.get("content-type", "").startswith("text/event-stream"):
            # An event's line ends at CR or LF alone: U+2028, at which str.splitlines cuts, may stand in a message.
            data = [line[5:] for line in answer.content.split(b"\n") if line.startswith(b"data:")]
            found = [message for each in data if each.strip() and "method" not in (message := json.loads(each))]
            return answer, found[-1]
        return answer, answer.json() if answer.content.strip() else {}


@contextlib.asynccontextmanager
async def over_http(url: str) -> AsyncIterator[HttpClient]:
    """A session at a Streamable HTTP endpoint."""
    async with httpx2.AsyncClient(timeout=WAIT_SECONDS, trust_env=False) as http:
        client = HttpClient(http, url)
        await client.open()
        yield client
        await client.close()


class SseClient:
    """A session over the old HTTP+SSE transport: asks by POST, hears on the stream."""

    def __init__(self, http: httpx2.AsyncClient, chunks: AsyncIterator[bytes]) -> None:
        self._http = http
        self._chunks = chunks
        self._rest = b""
        self._ids = itertools.count(1)
        self.endpoint = ""

    async def data(self) -> str:
        """The next event's data, of one line as SDKs write it."""
        async with asyncio.timeout(WAIT_SECONDS):
            while True:
                line, ended, rest = self._rest.partition(b"\n")
                if not ended:
                    self._rest += await anext(self._chunks)
                    continue
                self._rest = rest
                if line.startswith(b"data: "):
                    return line.removeprefix(b"data: ").decode().rstrip("\r")

    async def request(self, method: str, params: dict[str, Any] | None = None) -> dict[str, Any]:
        number = next(self._ids)
        await self.told(method, id=number, params=params or {})
        while True:
            message = json.loads(await self.data())
            if message.get("id") == number and "method" not in message:
                return message

    async def told(self, method: str, **members: Any) -> None:
        (await self._http.post(self.endpoint, json={"jsonrpc": "2.0", "method": method, **members})).raise_for_status()


@contextlib.asynccontextmanager
async def over_sse(url: str) -> AsyncIterator[SseClient]:
    """A session at an endpoint of the old transport."""
    async with (
        httpx2.AsyncClient(timeout=WAIT_SECONDS, trust_env=False) as http,
        http.stream("GET", url, headers={"accept": "text/event-stream"}) as stream,
    ):
        client = SseClient(http, stream.aiter_bytes())
        client.endpoint = urljoin(url, await client.data())
        await client.request("initialize", initialize()["params"])
        await client.told("notifications/initialized")
        yield client


async def listed(client: Asks, method: str) -> list[dict[str, Any]] | str:
    """All entries of a list; the message where it is refused."""
    entries: list[dict[str, Any]] = []
    cursor: dict[str, Any] = {}
    while True:
        answer = await client.request(method, cursor)
        if "error" in answer:
            return answer["error"]["message"]
        entries += answer["result"][LISTS[method]]
        if not (following := answer["result"].get("nextCursor")):
            return entries
        cursor = {"cursor": following}
