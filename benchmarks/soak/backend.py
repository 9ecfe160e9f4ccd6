"""A backend in the process of the soak that dies, hangs, talks garbage and forgets sessions when it is told to.

Its tool `say` answers with the argument and the header `X-Canary` that came with the call, after `wait` seconds.
"""

import asyncio
import itertools
import json
import random
import socket
from dataclasses import dataclass, field
from functools import partial
from typing import Any, cast

from httptools import HttpRequestParser

from benchmarks.ports import free_port
from benchmarks.soak.plan import Fault

_TOOL = {
    "name": "say",
    "description": "Says what it heard.",
    "inputSchema": {"type": "object", "properties": {"text": {"type": "string"}, "wait": {"type": "number"}}},
}
_RESULTS: dict[str, dict[str, Any]] = {
    "ping": {},
    "tools/list": {"tools": [_TOOL]},
    "resources/list": {"resources": []},
    "resources/templates/list": {"resourceTemplates": []},
    "prompts/list": {"prompts": []},
    "logging/setLevel": {},
}
_HELLO = {
    "protocolVersion": "2025-11-25",
    "capabilities": {"tools": {"listChanged": True}, "logging": {}},
    "serverInfo": {"name": "soak", "version": "1"},
}
_BACKLOG = 512
_HANDLES = 16
"""On its port: uvloop takes one connection for each in a turn of the loop. Sessions that all begin anew at once would
wait for a backend that is well, a turn each, in a loop that pours floods."""


@dataclass(slots=True, eq=False)
class Backend:
    """One HTTP backend; `is_sse` answers calls with an event stream that begins with a log message."""

    name: str
    is_sse: bool
    chance: random.Random
    port: int = field(default_factory=free_port)
    fault: Fault | None = None
    calls: int = 0
    sessions: set[str] = field(default_factory=set)
    _connections: "set[_Connection]" = field(default_factory=set)
    _numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))
    _servers: list[asyncio.Server] = field(default_factory=list)

    async def start(self) -> None:
        """Listens on its port, which stays the same over all its lives."""
        loop = asyncio.get_running_loop()
        first = socket.create_server(("127.0.0.1", self.port), backlog=_BACKLOG)
        for each in (first, *(first.dup() for _ in range(_HANDLES - 1))):
            self._servers.append(await loop.create_server(partial(_Connection, self), sock=each, backlog=_BACKLOG))

    def stop(self) -> None:
        """Dies: its port refuses, its connections break, its sessions are gone."""
        for server in self._servers:
            server.close()
        self._servers.clear()
        self.sessions.clear()
        for connection in tuple(self._connections):
            connection.abort()

    async def begin(self, fault: Fault) -> None:
        """Breaks."""
        if fault is Fault.FORGET:
            self.sessions.clear()
            return
        self.fault = fault
        if fault is Fault.DIE:
            self.stop()

    async def end(self) -> None:
        """Is whole again; what hung is never answered."""
        died, self.fault = self.fault is Fault.DIE, None
        if died:
            await self.start()

    def new_session(self) -> str:
        """A session id that was never given before."""
        session = f"soak-{self.name}-{next(self._numbers)}"
        self.sessions.add(session)
        return session


class _Connection(asyncio.Protocol):
    """One connection; requests on it come one after the other."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._parser = HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._headers: dict[str, str] = {}
        self._body = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclass of asyncio's.
        self._transport = cast("asyncio.Transport", transport)
        self._backend._connections.add(self)  # noqa: SLF001 - its own half

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._transport = None
        self._backend._connections.discard(self)  # noqa: SLF001 - its own half

    def abort(self) -> None:
        """Breaks off."""
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_begin(self) -> None:
        self._headers, self._body = {}, b""

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode().lower()] = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        backend = self._backend
        verb = self._parser.get_method()
        if backend.fault is Fault.HANG:
            return
        if backend.fault is Fault.GARBAGE:
            self._talk_garbage()
        elif verb == b"GET":
            self._send(405)
        elif verb == b"DELETE":
            backend.sessions.discard(self._headers.get("mcp-session-id", ""))
            self._send(204)
        else:
            self._serve(json.loads(self._body))

    def _serve(self, message: dict[str, Any]) -> None:
        backend = self._backend
        method = message.get("method")
        if method == "initialize":
            fields = f"mcp-session-id: {backend.new_session()}\r\n"
            self._answer(message, _HELLO, fields)
        elif self._headers.get("mcp-session-id") not in backend.sessions:
            self._send(404)
        elif "id" not in message:
            self._send(202)
        elif method == "tools/call":
            self._call(message)
        elif method in _RESULTS:
            self._answer(message, _RESULTS[method])
        else:
            self._send(400)

    def _call(self, message: dict[str, Any]) -> None:
        self._backend.calls += 1
        arguments = message["params"]["arguments"]
        heard = json.dumps([arguments["text"], self._headers.get("x-canary", "")])
        result = {"content": [{"type": "text", "text": heard}], "isError": False}
        wait = float(arguments.get("wait", 0))
        if wait:
            asyncio.get_running_loop().call_later(wait, self._answer_call, message, result, arguments["text"])
        else:
            self._answer_call(message, result, arguments["text"])

    def _answer_call(self, message: dict[str, Any], result: dict[str, Any], text: str) -> None:
        if not self._backend.is_sse:
            self._answer(message, result)
            return
        params = {"level": "error", "logger": "soak", "data": text}
        events = (
            {"jsonrpc": "2.0", "method": "notifications/message", "params": params},
            {"jsonrpc": "2.0", "id": message["id"], "result": result},
        )
        body = "".join(f"event: message\ndata: {json.dumps(event)}\n\n" for event in events)
        self._send(200, "content-type: text/event-stream\r\n", body.encode())

    def _answer(self, message: dict[str, Any], result: dict[str, Any], fields: str = "") -> None:
        body = json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result})
        self._send(200, f"content-type: application/json\r\n{fields}", body.encode())

    def _send(self, status: int, fields: str = "", body: bytes = b"") -> None:
        length = "" if status == 204 else f"content-length: {len(body)}\r\n"
        self._write(f"HTTP/1.1 {status} Soak\r\n{fields}{length}\r\n".encode() + body)

    def _write(self, data: bytes) -> None:
        # A slow answer may be due after the backend has died.
        if self._transport is not None:
            self._transport.write(data)

    def _talk_garbage(self) -> None:
        garbage = self._backend.chance.choice(GARBAGE)
        self._write(garbage)
        if not garbage.startswith(b"HTTP/1.1 200 OK\r\ncontent-length"):
            self.abort_after_write()

    def abort_after_write(self) -> None:
        """Closes once everything is out."""
        if self._transport is not None:
            self._transport.close()


def _ok(kind: str, body: bytes, missing: int = 0) -> bytes:
    head = f"HTTP/1.1 200 OK\r\ncontent-length: {len(body) + missing}\r\ncontent-type: {kind}\r\n\r\n"
    return head.encode() + body


GARBAGE = (
    b"\x00\xff\x16\x03 this is not HTTP\r\n\r\n",
    b"HTTP/1.1 500 Soak\r\ncontent-length: 4\r\n\r\noops",
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: -7\r\n\r\n{}",
    b"HTTP/1.1 302 Soak\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n",
    _ok("text/html", b"<html>It works</html>"),
    _ok("application/json", b'{"jsonrpc":"2.0","id":'),
    _ok("application/json", b"[]"),
    _ok("application/json", b'{"jsonrpc":"2.0","id":424242,"result":{}}'),
    _ok("application/json", b'{"jsonrpc":"2.0","id":1,"result":[' + b"[" * 5000),
    _ok("text/event-stream", b"event: message\ndata: {not json\n\n"),
    _ok("text/event-stream", b"data: \xff\xfe\n\nretry: soon\n\n: nothing more\n\n"),
)
"""What a broken server says; none of it is an answer to anything."""
