"""An MCP client of bare HTTP: sends exactly what a test says and shows exactly what came back."""

import asyncio
import contextlib
import itertools
import json
from collections.abc import AsyncIterator, Callable
from typing import Any, Self

import httpx2

from tests.support import eras
from tests.support.plain_http import http_client
from vmcp_proxy.protocol.methods import Era

ACCEPT = "application/json, text/event-stream"
WAIT_SECONDS = 45.0
"""Far beyond what a busy machine needs: nothing that is waited for so long is about time."""

STATUSES = {Era.LEGACY: (200,), Era.MODERN: (200, 400, 404)}
"""Those that an answer to a request may have."""


async def eventually(condition: Callable[[], object], seconds: float = WAIT_SECONDS) -> None:
    """Waits until something is so; asks again and again for at most this long, the time of the questions not counted.

    A question that takes long, such as what is in memory, leaves the product as long to get on.
    """
    loop = asyncio.get_running_loop()
    waited = 0.0
    while True:
        asked = loop.time()
        if condition():
            return
        answered = loop.time()
        if waited > seconds:
            raise TimeoutError(f"not so within {seconds} s")
        took = answered - asked
        await asyncio.sleep(min(max(0.005, 3 * took), max(0.5, took)))
        waited += loop.time() - answered


async def until_status(client: "RawClient", content: object, status: int, seconds: float = WAIT_SECONDS) -> None:
    """Posts a message until it is answered with this status."""
    async with asyncio.timeout(seconds):
        while (await client.post(content)).status_code != status:  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.05)


async def until_code(client: "RawClient", content: object, code: int, seconds: float = WAIT_SECONDS) -> None:
    """Posts a request until it is answered with this code of JSON-RPC."""
    async with asyncio.timeout(seconds):
        while (await client.post(content)).json().get("error", {}).get("code") != code:  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.05)


def initialize(version: str = "2025-11-25", **capabilities: Any) -> dict[str, Any]:
    params = {"protocolVersion": version, "capabilities": capabilities, "clientInfo": {"name": "t", "version": "1"}}
    return {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params}


def events_of(body: bytes) -> list[dict[str, Any]]:
    """The messages of a whole event stream."""
    lines = body.decode().splitlines()
    return [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: ") and line != "data: "]


class RawClient:
    """One session at most; `headers` go with every request, `said` are the notifications that came on POSTs.

    One of the modern era has none: `open` sends nothing, and each request says its `capabilities` and `log_level`.
    """

    def __init__(self, url: str, headers: dict[str, str] | None = None, era: Era | None = None) -> None:
        self.url = url
        self.headers = headers or {}
        self.era = era or eras.current
        self.capabilities: dict[str, Any] = {}
        self.log_level: str | None = None
        self.session = ""
        self.said: list[dict[str, Any]] = []
        self._ids = itertools.count(1)
        self._http = http_client(timeout=WAIT_SECONDS)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def send(self, verb: str, content: object = None, **headers: str) -> httpx2.Response:
        """One HTTP request; keywords are more headers, `_` standing for `-`.

        A JSON-RPC request of a modern client gets its envelope, and the headers that repeat what it says.
        """
        fields = {"accept": ACCEPT, **self.headers}
        if self.era is Era.MODERN and isinstance(content, dict) and {"id", "method"} <= content.keys():
            fields |= eras.headers_of(content)
            content = eras.modern(content, self.capabilities, self.log_level)
        if self.session:
            fields["mcp-session-id"] = self.session
        if content is not None:
            fields["content-type"] = "application/json"
        fields |= {name.replace("_", "-"): value for name, value in headers.items()}
        body = content if isinstance(content, bytes | None) else json.dumps(content).encode()
        return await self._http.request(verb, self.url, content=body, headers=fields)

    async def post(self, content: object, **headers: str) -> httpx2.Response:
        return await self.send("POST", content, **headers)

    @property
    def opening(self) -> dict[str, Any]:
        """What a client of its era asks first."""
        return initialize() if self.era is Era.LEGACY else self.asking("server/discover")

    async def open(self, capabilities: dict[str, Any] | None = None, **headers: str) -> dict[str, Any]:
        """The handshake; the result of `initialize`, or of `server/discover` in the era that has no handshake."""
        if self.era is Era.MODERN:
            self.capabilities = capabilities or {}
            return await self.result("server/discover", **headers)
        answer = await self.post(initialize(**(capabilities or {})), **headers)
        assert answer.status_code == 200, answer.text
        self.session = answer.headers["mcp-session-id"]
        told = await self.post({"jsonrpc": "2.0", "method": "notifications/initialized"}, **headers)
        assert told.status_code == 202
        return answer.json()["result"]

    async def request(
        self, method: str, params: dict[str, Any] | None = None, request_id: object = None, **headers: str
    ) -> dict[str, Any]:
        """The answer to one request, whatever form it came in."""
        return self.read(await self.post(self.asking(method, params, request_id), **headers))

    def asking(self, method: str, params: dict[str, Any] | None = None, request_id: object = None) -> dict[str, Any]:
        """A request with an id of its own."""
        number = next(self._ids) if request_id is None else request_id
        return {"jsonrpc": "2.0", "id": number, "method": method, "params": params or {}}

    def read(self, answer: httpx2.Response) -> dict[str, Any]:
        """The answer in a response; what stood before it goes to `said`."""
        assert answer.status_code in STATUSES[self.era], answer.text
        if answer.headers["content-type"] == "application/json":
            return answer.json()
        *before, last = events_of(answer.content)
        self.said += before
        return last

    async def result(self, method: str, params: dict[str, Any] | None = None, **headers: str) -> dict[str, Any]:
        answer = await self.request(method, params, **headers)
        assert "result" in answer, answer
        return answer["result"]

    async def call(self, name: str, arguments: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
        return await self.result("tools/call", {"name": name, "arguments": arguments or {}, **more})

    async def names(self, kind: str = "tools", **headers: str) -> list[str]:
        """The names (or URIs) of a list."""
        method = "resources/templates/list" if kind == "resourceTemplates" else f"{kind}/list"
        member = {"resources": "uri", "resourceTemplates": "uriTemplate"}.get(kind, "name")
        return [entry[member] for entry in (await self.result(method, **headers))[kind]]

    async def delete(self, **headers: str) -> int:
        return (await self.send("DELETE", **headers)).status_code

    @contextlib.asynccontextmanager
    async def sending(self, content: object, **headers: str) -> AsyncIterator["asyncio.Task[httpx2.Response]"]:
        """Sends one message beside the block; the response can be awaited in it."""
        task = asyncio.create_task(self.post(content, **headers))
        try:
            yield task
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    @contextlib.asynccontextmanager
    async def posting(
        self, method: str, params: dict[str, Any] | None = None, **headers: str
    ) -> AsyncIterator["Stream"]:
        """Sends one request and shows what its stream brings while the block runs."""
        message = self.asking(method, params)
        fields = {"accept": ACCEPT, "content-type": "application/json"}
        if self.era is Era.MODERN:
            fields |= eras.headers_of(message)
            message = eras.modern(message, self.capabilities, self.log_level)
        else:
            fields["mcp-session-id"] = self.session
        fields |= self.headers | headers
        async with self._http.stream(
            "POST", self.url, content=json.dumps(message).encode(), headers=fields, timeout=None
        ) as response:
            stream = Stream(response)
            reading = asyncio.create_task(stream.run())
            try:
                yield stream
            finally:
                reading.cancel()
                await asyncio.gather(reading, return_exceptions=True)

    @contextlib.asynccontextmanager
    async def listening(self, **headers: str) -> AsyncIterator["Stream"]:
        """Holds the GET stream while the block runs."""
        fields = {"accept": "text/event-stream", "mcp-session-id": self.session, **self.headers, **headers}
        async with self._http.stream("GET", self.url, headers=fields, timeout=None) as response:
            stream = Stream(response)
            reading = asyncio.create_task(stream.run())
            try:
                yield stream
            finally:
                reading.cancel()
                await asyncio.gather(reading, return_exceptions=True)


class Stream:
    """What came on a stream: messages, comments, ids and hints to come back, and whether it is over."""

    def __init__(self, response: httpx2.Response) -> None:
        self.response = response
        self.messages: list[dict[str, Any]] = []
        self.comments: list[str] = []
        self.ids: list[str] = []
        self.retries: list[int] = []
        self.ended = False

    async def run(self) -> None:
        try:
            async for line in self.response.aiter_lines():
                if line.startswith("id: "):
                    self.ids.append(line.removeprefix("id: "))
                elif line.startswith("retry: "):
                    self.retries.append(int(line.removeprefix("retry: ")))
                elif line.startswith("data: ") and line != "data: ":
                    self.messages.append(json.loads(line.removeprefix("data: ")))
                elif line.startswith(":"):
                    self.comments.append(line)
        finally:
            self.ended = True

    @property
    def methods(self) -> list[str]:
        return [message["method"] for message in self.messages if "method" in message]

    async def answer(self) -> dict[str, Any]:
        """Waits for the answer to the request that the stream belongs to."""
        await eventually(lambda: any("method" not in message for message in self.messages))
        return next(message for message in self.messages if "method" not in message)

    async def until(self, method: str, count: int = 1) -> list[dict[str, Any]]:
        """Waits for this many notifications of a method."""
        await eventually(lambda: self.methods.count(method) >= count)
        return [message for message in self.messages if message.get("method") == method]
