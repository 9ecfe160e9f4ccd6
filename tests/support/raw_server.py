"""An HTTP/1.1 server of raw bytes: one coroutine of the test answers every request, and may break off anywhere."""

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from tests.support.tcp import listening

EVENTS = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
END = b"0\r\n\r\n"


class HangUp(Exception):  # noqa: N818 - a scripted act, not a fault of the test
    """Closes the connection at once."""


@dataclass
class Asked:
    """One request; `write` sends raw bytes, `send` one chunk of a chunked body."""

    verb: str
    target: str
    headers: dict[str, bytes]
    body: bytes
    write: Callable[[bytes], Awaitable[None]] = field(repr=False)

    @property
    def message(self) -> dict[str, Any]:
        return json.loads(self.body) if self.body else {}

    @property
    def method(self) -> str:
        return self.message.get("method", "")

    async def send(self, data: bytes) -> None:
        await self.write(b"%x\r\n%b\r\n" % (len(data), data))

    async def events(self, *events: bytes, ends: bool = True) -> None:
        """A whole event stream, or its beginning."""
        await self.write(EVENTS)
        for each in events:
            await self.send(each)
        if ends:
            await self.write(END)

    async def status(self, status: int, body: bytes = b"", kind: str = "text/plain", **headers: str) -> None:
        fields = {"content-length": str(len(body)), "content-type": kind, **headers}
        lines = [f"HTTP/1.1 {status} Scripted", *(f"{name.replace('_', '-')}: {fields[name]}" for name in fields)]
        await self.write("\r\n".join((*lines, "", "")).encode() + body)

    async def result(self, result: Any, **headers: str) -> None:
        """A JSON answer."""
        body = json.dumps({"jsonrpc": "2.0", "id": self.message["id"], "result": result}).encode()
        await self.status(200, body, "application/json", **headers)


def event(message: Any = b"", *, id: bytes | None = None, retry: int | None = None, name: str = "") -> bytes:  # noqa: A002 - the field's name
    """One event; `message` is JSON or bytes as they are."""
    data = message if isinstance(message, bytes) else json.dumps(message).encode()
    lines = [b"event: " + name.encode()] if name else []
    lines += [b"id: " + id] if id is not None else []
    lines += [b"retry: %d" % retry] if retry is not None else []
    return b"\n".join((*lines, b"data: " + data, b"", b""))


def answer_to(number: Any, text: str) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": number, "result": {"content": [{"type": "text", "text": text}]}}


def notification(method: str, **params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "method": method, "params": params}


@dataclass
class RawServer:
    """`asked` has every request in its order; `context` lets it speak TLS."""

    handle: Callable[[Asked], Awaitable[None]]
    asked: list[Asked] = field(default_factory=list)
    port: int = 0
    context: ssl.SSLContext | None = None

    def of(self, verb: str, method: str | None = None) -> list[Asked]:
        return [each for each in self.asked if each.verb == verb and (method is None or each.method == method)]

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["RawServer"]:
        async with listening(self._serve, self.port, self.context) as self.port:
            yield self

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async def write(data: bytes) -> None:
            writer.write(data)
            await writer.drain()

        try:
            while True:
                lines = (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")
                pairs = [line.partition(b":") for line in lines[1:] if line]
                headers = {name.decode().lower(): value.strip() for name, _, value in pairs}
                body = await reader.readexactly(int(headers.get("content-length", b"0")))
                verb, target, _ = lines[0].decode().split(" ")
                asked = Asked(verb, target, headers, body, write)
                self.asked.append(asked)
                await self.handle(asked)
        except (HangUp, ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.transport.abort()
