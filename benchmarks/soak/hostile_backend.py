"""A hostile backend in the group of a soak: it lists one tool, and answers everything else with a flood."""

import asyncio
import gzip
import json
import random
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeAlias

from benchmarks.ports import free_port

NAME: Final = "hostile"
_HELLO: Final = {
    "protocolVersion": "2025-11-25",
    "capabilities": {"tools": {"listChanged": True}, "logging": {}},
    "serverInfo": {"name": "hostile", "version": "1"},
}
_FLOOD_BYTES: Final = 96 << 20
_PIECE: Final = 64 << 10
_BLANKS: Final = gzip.compress(b" " * (2 << 20))
_STREAM_PAUSE: Final = 0.02
"""Between two pieces of its standalone stream: a flood, but no competition in who has more of the processor."""

Write: TypeAlias = Callable[[bytes], Awaitable[None]]


class HostileBackend:
    """Serves Streamable HTTP on a port of its own; `chance` chooses the flood."""

    def __init__(self, chance: random.Random) -> None:
        self.port: Final = free_port()
        self._chance: Final = chance
        self._server: asyncio.Server | None = None
        self._numbers = 0
        self.floods = 0

    async def start(self) -> None:
        """Listens."""
        self._server = await asyncio.start_server(self._connection, "127.0.0.1", self.port)

    def stop(self) -> None:
        """Listens no more."""
        if self._server is not None:
            self._server.close()

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async def write(data: bytes) -> None:
            if writer.transport.is_closing():  # uvloop raises RuntimeError at a write then
                raise EOFError
            writer.write(data)
            await writer.drain()

        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
                length = int(head.partition("content-length:")[2].split("\r\n", 1)[0] or 0)
                body = await reader.readexactly(length)
                if head.startswith("get"):
                    await self._stream(write)
                elif not head.startswith("post"):
                    await write(b"HTTP/1.1 204 No\r\n\r\n")
                else:
                    await self._answer(json.loads(body), write)
        except (OSError, EOFError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        finally:
            writer.transport.abort()

    async def _answer(self, message: dict[str, Any], write: Write) -> None:
        match message.get("method"):
            case "initialize":
                self._numbers += 1
                await write(_json(message, _HELLO, f"mcp-session-id: h{self._numbers}\r\n"))
            case "tools/list":
                tool = {"name": "flood", "description": "d" * 5000, "inputSchema": {"type": "object"}}
                await write(_json(message, {"tools": [tool]}))
            case None:
                await write(b"HTTP/1.1 202 No\r\ncontent-length: 0\r\n\r\n")
            case _ if "id" not in message:
                await write(b"HTTP/1.1 202 No\r\ncontent-length: 0\r\n\r\n")
            case _:
                self.floods += 1
                await self._chance.choice(_FLOODS)(message, write)
                raise EOFError

    async def _stream(self, write: Write) -> None:
        """Log records, changed lists and questions, for as long as anybody reads."""
        await write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n")
        told = (
            {"method": "notifications/tools/list_changed"},
            {"method": "notifications/message", "params": {"level": "error", "data": "x" * 2000}},
            {"id": "q", "method": "sampling/createMessage", "params": {"messages": [], "maxTokens": 1}},
            {"id": 1, "result": {}},
        )
        while True:
            message = {"jsonrpc": "2.0", **self._chance.choice(told)}
            await write(b"data: %b\n\n" % json.dumps(message).encode() * 5)
            await asyncio.sleep(_STREAM_PAUSE)


def _json(message: dict[str, Any], result: dict[str, Any], fields: str = "") -> bytes:
    body = json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}).encode()
    head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n{fields}content-length: {len(body)}\r\n\r\n"
    return head.encode() + body


async def _pour(write: Write, head: bytes, piece: bytes) -> None:
    await write(head)
    block = piece * max(_PIECE // len(piece), 1)
    for _ in range(_FLOOD_BYTES // len(block)):
        await write(block)


async def _headers(_: dict[str, Any], write: Write) -> None:
    await _pour(write, b"HTTP/1.1 200 OK\r\n", b"x-flood: " + b"y" * 200 + b"\r\n")


async def _body(_: dict[str, Any], write: Write) -> None:
    await _pour(write, b'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n{"jsonrpc":"2.0","x":"', b"z")


async def _line(_: dict[str, Any], write: Write) -> None:
    await _pour(write, b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: ", b"z")


async def _events(_: dict[str, Any], write: Write) -> None:
    event = b'data: {"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"x"}}\n\n'
    await _pour(write, b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n", event)


async def _bomb(message: dict[str, Any], write: Write) -> None:
    # Of members of its own (RFC 1952 section 2.2): to make one of all would hold up the loop of callers and backends.
    start = gzip.compress(b'{"jsonrpc":"2.0","id":%d,"result":{}}' % int(message["id"]))
    body = start + _BLANKS * 32
    head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-encoding: gzip\r\n"
    await write(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)


async def _trickle(message: dict[str, Any], write: Write) -> None:
    del message
    await write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n")
    for _ in range(100):
        await write(b" ")
        await asyncio.sleep(0.1)


_FLOODS: Final = (_headers, _body, _line, _events, _bomb, _trickle)
