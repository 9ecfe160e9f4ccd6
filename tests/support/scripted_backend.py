"""A legacy Streamable HTTP server of raw bytes that does what a test tells it to, and remembers what it heard."""

import asyncio
import contextlib
import itertools
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from tests.support.tcp import listening

TYPESCRIPT_UNKNOWN = {
    "jsonrpc": "2.0",
    "error": {"code": -32000, "message": "Bad Request: No valid session ID provided"},
    "id": None,
}
LISTS = {
    "tools/list": "tools",
    "resources/list": "resources",
    "resources/templates/list": "resourceTemplates",
    "prompts/list": "prompts",
}
OFFERS = {"tools": {"listChanged": True}, "resources": {}, "prompts": {}, "completions": {}, "logging": {}}


def tool(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "description": f"does {name}", "inputSchema": {"type": "object"}, **more}


def text(content: str, **more: Any) -> dict[str, Any]:
    return {"content": [{"type": "text", "text": content}], **more}


def text_content(content: str) -> dict[str, Any]:
    return {"content": {"type": "text", "text": content}}


class Refusal(Exception):  # noqa: N818 - a scripted answer, not a fault of the test
    """Answers a request with a JSON-RPC error."""

    def __init__(self, code: int, message: str, data: Any = None) -> None:
        super().__init__(message)
        self.error = {"code": code, "message": message} | ({} if data is None else {"data": data})


class Die(Exception):  # noqa: N818 - as above
    """Closes the connection after the request was read, without a byte of an answer."""


class Status(Exception):  # noqa: N818 - as above
    """Answers with a bare HTTP status."""

    def __init__(self, status: int, headers: dict[str, str] | None = None) -> None:
        super().__init__(status)
        self.status = status
        self.headers = headers or {}


@dataclass
class Heard:
    """One request as it came."""

    verb: str
    headers: dict[str, str]
    message: dict[str, Any]

    @property
    def method(self) -> str:
        return self.message.get("method", "")

    @property
    def session(self) -> str:
        return self.headers.get("mcp-session-id", "")


@dataclass
class Call:
    """A request that is being answered: `notify` turns the answer into an event stream."""

    backend: "ScriptedBackend"
    heard: Heard
    write: Callable[[bytes], Awaitable[None]]
    streams: bool = False

    @property
    def params(self) -> dict[str, Any]:
        return self.heard.message.get("params") or {}

    async def notify(self, method: str, **params: Any) -> None:
        await self.say({"jsonrpc": "2.0", "method": method, "params": params})

    async def say(self, message: dict[str, Any] | bytes) -> None:
        if not self.streams:
            self.streams = True
            await self.write(_head(200, {"content-type": "text/event-stream", "transfer-encoding": "chunked"}))
        data = message if isinstance(message, bytes) else json.dumps(message).encode()
        await self.write_chunks(b"event: message\ndata: " + data + b"\n\n")

    async def write_chunks(self, data: bytes) -> None:
        size = self.backend.chunk or len(data)
        for start in range(0, len(data), size):
            part = data[start : start + size]
            await self.write(b"%x\r\n%b\r\n" % (len(part), part))


Handler = Callable[[Call], Awaitable[dict[str, Any] | bytes]]


@dataclass
class ScriptedBackend:
    """Settings may change at any time; `heard` has every request, also those that were refused.

    `page` entries stand on one page of a list. `answers_events` makes every answer an event stream, in pieces of
    `chunk` bytes. `before_open` is awaited before a session is made. `unknown_status` is what a forgotten session
    gets: 404, or 400 as servers on the TypeScript SDK.
    """

    tools: list[dict[str, Any]] = field(default_factory=lambda: [tool("echo")])
    resources: list[dict[str, Any]] = field(default_factory=list)
    templates: list[dict[str, Any]] = field(default_factory=list)
    prompts: list[dict[str, Any]] = field(default_factory=list)
    offers: dict[str, Any] = field(default_factory=lambda: dict(OFFERS))
    page: int = 0
    answers_events: bool = False
    chunk: int = 0
    unknown_status: int = 404
    unknown_body: bytes = json.dumps(TYPESCRIPT_UNKNOWN).encode()
    has_stream: bool = True
    instructions: str | None = None
    before_open: Callable[[Call], Awaitable[None]] | None = None
    handlers: dict[str, Handler] = field(default_factory=dict)
    heard: list[Heard] = field(default_factory=list)
    sessions: set[str] = field(default_factory=set)
    port: int = 0
    _numbers: Any = field(default_factory=lambda: itertools.count(1))
    _streams: list[tuple[str, asyncio.Queue[bytes]]] = field(default_factory=list)

    def on(self, method: str) -> Callable[[Handler], Handler]:
        """Decorates what answers a method; for a tool call the `params` tell which tool."""

        def take(handler: Handler) -> Handler:
            self.handlers[method] = handler
            return handler

        return take

    def calls(self, method: str) -> list[Heard]:
        """The POSTs with this method, in order."""
        return [each for each in self.heard if each.verb == "POST" and each.method == method]

    @property
    def deletes(self) -> list[Heard]:
        return [each for each in self.heard if each.verb == "DELETE"]

    @property
    def streams(self) -> list[str]:
        """The sessions with an open GET stream."""
        return [session for session, _ in self._streams]

    def forget_sessions(self) -> None:
        """As after a restart."""
        self.sessions.clear()

    def push(self, method: str, session: str | None = None, **params: Any) -> None:
        """A notification on the GET streams: of one session, or of all."""
        self.send_raw({"jsonrpc": "2.0", "method": method, "params": params}, session)

    def send_raw(self, content: dict[str, Any], session: str | None = None) -> None:
        """A message on the GET streams: of one session, or of all."""
        message = json.dumps(content).encode()
        for owner, queue in self._streams:
            if session in (None, owner):
                queue.put_nowait(b"event: message\ndata: " + message + b"\n\n")

    def drop_streams(self) -> None:
        """Breaks the GET streams, as when a backend is started again."""
        for _, queue in self._streams:
            queue.put_nowait(b"")

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["ScriptedBackend"]:
        """Listens while the block runs."""
        async with listening(self._serve, self.port) as self.port:
            yield self

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async def write(data: bytes) -> None:
            writer.write(data)
            await writer.drain()

        try:
            while (heard := await _read(reader)) is not None:
                self.heard.append(heard)
                try:
                    await self._answer(heard, reader, write)
                except Status as answer:
                    await write(_head(answer.status, {"content-length": "0", **answer.headers}))
        except (Die, ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.transport.abort()

    async def _answer(
        self, heard: Heard, reader: asyncio.StreamReader, write: Callable[[bytes], Awaitable[None]]
    ) -> None:
        known = heard.session in self.sessions
        if heard.verb == "DELETE":
            if (handler := self.handlers.get("DELETE")) is not None:
                await handler(Call(self, heard, write))
            self.sessions.discard(heard.session)
            raise Status(204 if known else 404)
        if heard.method != "initialize" and not known:
            if self.unknown_status == 404:
                raise Status(404)
            await write(_json(self.unknown_status, self.unknown_body))
        elif heard.verb == "GET":
            await self._stream(heard, reader, write)
        elif "id" not in heard.message or not heard.method:
            if (handler := self.handlers.get(heard.method)) is not None:
                await handler(Call(self, heard, write))
            raise Status(202)
        else:
            await self._request(Call(self, heard, write))

    async def _request(self, call: Call) -> None:
        headers = {}
        outcome: tuple[str, dict[str, Any] | bytes]
        try:
            if call.heard.method == "initialize" and self.before_open is not None:
                await self.before_open(call)
            if call.heard.method == "initialize" and "initialize" not in self.handlers:
                headers["mcp-session-id"] = f"backend-session-{next(self._numbers)}-{id(self):x}"
                self.sessions.add(headers["mcp-session-id"])
            outcome = ("result", await self.result_for(call))
        except Refusal as refusal:
            outcome = ("error", refusal.error)
        raw = outcome[1] if isinstance(outcome[1], bytes) else json.dumps(outcome[1]).encode()
        request_id = json.dumps(call.heard.message["id"]).encode()
        message = b'{"jsonrpc":"2.0","id":%b,"%b":%b}' % (request_id, outcome[0].encode(), raw)
        if self.answers_events and not headers and not call.streams:
            await call.say({"jsonrpc": "2.0", "method": "notifications/x-before", "params": {}})
        if call.streams:
            await call.say(message)
            await call.write(b"0\r\n\r\n")
        else:
            await call.write(_json(200, message, headers))

    async def result_for(self, call: Call) -> dict[str, Any] | bytes:
        """What a method's handler says, else what every server would."""
        method = call.heard.method
        if (handler := self.handlers.get(method)) is not None:
            return await handler(call)
        if method == "initialize":
            info = {"name": "scripted", "version": "1"}
            hello = {"protocolVersion": "2025-11-25", "capabilities": self.offers, "serverInfo": info}
            return hello if self.instructions is None else hello | {"instructions": self.instructions}
        if method in LISTS:
            return self._page(method, call.params.get("cursor"))
        usual = {
            "tools/call": text(f"called {call.params.get('name')}"),
            "resources/read": {"contents": [{"uri": call.params.get("uri"), "text": "read"}]},
            "prompts/get": {"messages": [{"role": "user", **text_content(f"got {call.params.get('name')}")}]},
            "completion/complete": {"completion": {"values": ["done"], "hasMore": False}},
            "ping": {},
            "logging/setLevel": {},
        }
        if method not in usual:
            raise Refusal(-32601, f"no {method}")
        return usual[method]

    def _page(self, method: str, cursor: str | None) -> dict[str, Any]:
        entries = {
            "tools": self.tools,
            "resources": self.resources,
            "resourceTemplates": self.templates,
            "prompts": self.prompts,
        }[LISTS[method]]
        start = int(cursor or 0)
        end = start + self.page if self.page else len(entries)
        result: dict[str, Any] = {LISTS[method]: entries[start:end]}
        if end < len(entries):
            result["nextCursor"] = str(end)
        return result

    async def _stream(
        self, heard: Heard, reader: asyncio.StreamReader, write: Callable[[bytes], Awaitable[None]]
    ) -> None:
        if not self.has_stream:
            raise Status(405)
        entry = (heard.session, asyncio.Queue[bytes]())
        await write(_head(200, {"content-type": "text/event-stream", "transfer-encoding": "chunked"}))
        self._streams.append(entry)
        hung_up = asyncio.ensure_future(reader.read(1))
        try:
            while True:
                getting = asyncio.ensure_future(entry[1].get())
                await asyncio.wait((getting, hung_up), return_when=asyncio.FIRST_COMPLETED)
                if not getting.done():
                    getting.cancel()
                    raise Die
                if not (event := getting.result()):
                    raise Die
                await Call(self, heard, write).write_chunks(event)
        finally:
            hung_up.cancel()
            self._streams.remove(entry)


async def _read(reader: asyncio.StreamReader) -> Heard | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    except asyncio.IncompleteReadError:
        return None
    headers: dict[str, str] = {}
    for line in filter(None, head[1:]):
        name, _, value = line.partition(":")
        assert name.lower() not in headers, f"{name} was sent twice"
        headers[name.lower()] = value.strip()
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Heard(head[0].split(" ")[0], headers, json.loads(body) if body else {})


def _head(status: int, headers: dict[str, str]) -> bytes:
    lines = [f"HTTP/1.1 {status} Scripted", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join((*lines, "", "")).encode("latin-1")


def _json(status: int, body: bytes, headers: dict[str, str] | None = None) -> bytes:
    fields = {"content-type": "application/json", "content-length": str(len(body)), **(headers or {})}
    return _head(status, fields) + body
