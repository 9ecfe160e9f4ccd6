"""A server of the first HTTP transport that is odd in the ways which a test names.

Its tool `count` counts in the session, so that a session which was lost on the way shows in the answer.
"""

import asyncio
import contextlib
import itertools
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

from tests.support.odd_server import Says, plain
from tests.support.raw_server import EVENTS, Asked, RawServer

Message = dict[str, Any]
ACCEPTED = Says(202, b"Accepted")


@dataclass(frozen=True)
class OddSse:
    """What is odd about a server; what is left out is as the specification says.

    `endpoint` is the data of its event, with the port and the number of the stream filled in; `before` stands on the
    stream before it, and `between` before each answer. `write` writes the data of an answer, `name` its event, which
    is not named where that is empty, and every line ends in `end`. `receipt` is said to each POST, `late` after the
    answer; with `on_post` the answer is given there: `instead` of on the stream, or on both.
    """

    endpoint: str = "/messages?session={number}"
    before: bytes = b""
    between: bytes = b""
    write: Callable[[Message], bytes] = plain
    name: str = "message"
    end: bytes = b"\n"
    receipt: Says = ACCEPTED
    initialized: Says | None = None
    late: bool = False
    on_post: str = ""
    post_kind: str = "application/json"
    cut: int = 0
    version: str = "2024-11-05"


class OddSseServer:
    """Each stream is a session with a number."""

    def __init__(self, odd: OddSse) -> None:
        self.odd = odd
        self.raw = RawServer(self._handle)
        self.streams: dict[int, Asked] = {}
        self.counts: dict[int, int] = {}
        self._numbers = itertools.count(1)

    @property
    def port(self) -> int:
        return self.raw.port

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["OddSseServer"]:
        async with self.raw.running():
            yield self

    async def _handle(self, asked: Asked) -> None:
        if asked.verb == "GET":
            await self._open(asked)
        else:
            await self._post(asked)

    async def _open(self, asked: Asked) -> None:
        number = next(self._numbers)
        self.streams[number], self.counts[number] = asked, 0
        await asked.write(EVENTS)
        data = self.odd.endpoint.format(port=self.port, number=number).encode()
        await self._send(asked, self.odd.before + self._event("endpoint", data))
        await asyncio.Event().wait()

    async def _post(self, asked: Asked) -> None:
        odd = self.odd
        if "id" not in asked.message:
            await ((asked.method == "notifications/initialized" and odd.initialized) or odd.receipt).to(asked)
            return
        number = int(asked.target.rpartition("=")[2])
        data = odd.write({"jsonrpc": "2.0", "id": asked.message["id"], "result": self._result(asked, number)})
        if odd.on_post != "instead" and odd.late:
            await self._answer(number, data)
        if odd.on_post:
            await Says(200, data, odd.post_kind).to(asked)
        else:
            await odd.receipt.to(asked)
        if odd.on_post != "instead" and not odd.late:
            await self._answer(number, data)

    async def _answer(self, number: int, data: bytes) -> None:
        await self._send(self.streams[number], self.odd.between + self._event(self.odd.name, data))

    async def _send(self, stream: Asked, data: bytes) -> None:
        size = self.odd.cut or len(data)
        for start in range(0, len(data), size):
            await stream.send(data[start : start + size])

    def _event(self, name: str, data: bytes) -> bytes:
        lines = [b"event: " + name.encode()] if name else []
        return self.odd.end.join((*lines, *(b"data: " + line for line in data.split(b"\n")), b"", b""))

    def _result(self, asked: Asked, number: int) -> Message:
        match asked.method:
            case "initialize":
                info = {"name": "odd", "version": "1"}
                return {"protocolVersion": self.odd.version, "capabilities": {"tools": {}}, "serverInfo": info}
            case "tools/list":
                return {"tools": [{"name": "count", "inputSchema": {"type": "object"}}]}
            case "tools/call":
                self.counts[number] += 1
                return {"content": [{"type": "text", "text": str(self.counts[number])}]}
            case _:
                return {}


def with_another(message: Message) -> bytes:
    """An answer in an array, behind a notification."""
    other = {"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": "info", "data": "x"}}
    return json.dumps([other, message]).encode()
