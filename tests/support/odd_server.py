"""A Streamable HTTP server that is odd in the ways which a test names; else it does what the specification says.

Its tool `count` counts in the session, so that a session which was lost on the way shows in the answer.
"""

import asyncio
import contextlib
import itertools
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

from tests.support.raw_server import EVENTS, Asked, HangUp, RawServer, event

LISTS = {"tools/list": "tools", "resources/list": "resources", "prompts/list": "prompts"}


@dataclass(frozen=True)
class Says:
    """One HTTP answer: a JSON body, or bytes with a media type."""

    status: int
    body: Any = b""
    kind: str = ""
    headers: dict[str, str] = field(default_factory=dict)

    async def to(self, asked: Asked) -> None:
        """Answers; a text `{id}` in the body stands for the id of the request."""
        is_raw = isinstance(self.body, bytes)
        number = json.dumps(asked.message.get("id"))
        raw = self.body if is_raw else json.dumps(self.body).replace('"{id}"', number).encode()
        kind = self.kind or ("text/plain" if is_raw else "application/json")
        await asked.status(self.status, raw, kind, **self.headers)


def error(message: str, *, code: int = -32000, id: Any = None) -> dict[str, Any]:  # noqa: A002 - the member's name
    return {"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": message}}


def plain(message: dict[str, Any]) -> bytes:
    return json.dumps(message).encode()


@dataclass
class Odd:
    """What is odd about a server; what is None is as it should be.

    `get`, `initialized` and `delete` are what it says to what is optional. `lost` is what a session that it does
    not know gets. `write` writes every answer, `status`, `kind`
    and `headers` are what it comes with; `on_stream` sends the answers to calls on the session's own stream.
    `first` is said to the
    first calls of all. `hangs_up` closes each connection without a word after its answer. `early` is sent on the
    stream that is open when `initialized` comes, or else to nobody, as SDK servers do.
    """

    get: Says | None = None
    initialized: Says | None = None
    delete: Says | None = None
    revision: str = "2025-11-25"
    has_sessions: bool = True
    lost: Says = field(default_factory=lambda: Says(404))
    write: Callable[[dict[str, Any]], bytes] = plain
    status: int = 200
    kind: str = "application/json"
    on_stream: int = 0
    hello: Says | None = None
    first: tuple[Says, ...] = ()
    hangs_up: bool = False
    headers: dict[str, str] = field(default_factory=dict)


class OddServer:
    """A server with a table of sessions and what each has counted so far."""

    def __init__(self, odd: Odd | None = None) -> None:
        self.odd = odd or Odd()
        self.raw = RawServer(self._handle)
        self.counts: dict[str, int] = {}
        self.streams: dict[str, Asked] = {}
        self._numbers = itertools.count(1)
        self._first = list(self.odd.first)

    @property
    def port(self) -> int:
        return self.raw.port

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["OddServer"]:
        async with self.raw.running():
            yield self

    def of(self, verb: str, method: str | None = None) -> list[Asked]:
        return self.raw.of(verb, method)

    def forget(self) -> None:
        """As after a restart, but for the streams: they stay, so that nothing tells of it."""
        self.counts.clear()

    async def _handle(self, asked: Asked) -> None:
        odd = self.odd
        session = asked.headers.get("mcp-session-id", b"").decode()
        if asked.verb == "DELETE":
            self.counts.pop(session, None)
            await (odd.delete or Says(204)).to(asked)
        elif asked.verb == "GET":
            await self._get(asked, session)
        elif asked.method == "initialize":
            await self._initialize(asked)
        elif odd.has_sessions and session not in self.counts:
            await odd.lost.to(asked)
        elif asked.method == "notifications/initialized":
            await (odd.initialized or Says(202)).to(asked)
        elif "id" not in asked.message:
            await Says(202).to(asked)
        else:
            await self._request(asked, session)
        if odd.hangs_up:
            raise HangUp

    async def _get(self, asked: Asked, session: str) -> None:
        if self.odd.get is not None:
            await self.odd.get.to(asked)
            return
        await asked.write(EVENTS)
        self.streams[session] = asked
        await asyncio.Event().wait()

    async def _initialize(self, asked: Asked) -> None:
        if self.odd.hello is not None:
            await self.odd.hello.to(asked)
            return
        headers = {}
        if self.odd.has_sessions:
            headers["mcp_session_id"] = f"s-{next(self._numbers)}"
            self.counts[headers["mcp_session_id"]] = 0
        offers = {"tools": {}, "resources": {}, "prompts": {}}
        info = {"name": "odd", "version": "1"}
        result = {"protocolVersion": self.odd.revision, "capabilities": offers, "serverInfo": info}
        await self._say(asked, {"jsonrpc": "2.0", "id": asked.message["id"], "result": result}, headers)

    async def _request(self, asked: Asked, session: str) -> None:
        method, number = asked.method, asked.message["id"]
        is_call = method == "tools/call"
        if is_call and self._first:
            await self._first.pop(0).to(asked)
            return
        result: dict[str, Any] = {LISTS[method]: []} if method in LISTS else {}
        if method == "tools/list":
            result = {"tools": [{"name": "count", "inputSchema": {"type": "object"}}]}
        elif method == "resources/templates/list":
            result = {"resourceTemplates": []}
        elif is_call:
            self.counts[session] = self.counts.get(session, 0) + 1
            result = {"content": [{"type": "text", "text": str(self.counts[session])}]}
        answer = {"jsonrpc": "2.0", "id": number, "result": result}
        if is_call and self.odd.on_stream:
            await self.streams[session].send(event(self.odd.write(answer)))
            await Says(self.odd.on_stream).to(asked)
        else:
            await self._say(asked, answer, {})

    async def _say(self, asked: Asked, message: dict[str, Any], headers: dict[str, str]) -> None:
        body = self.odd.write(message)
        if "event-stream" in self.odd.kind.lower():
            body = event(body)
        await asked.status(self.odd.status, body, self.odd.kind, **headers, **self.odd.headers)
