"""The load: sessions that call `echo` back to back over kept connections, in a process of its own.

It says `ready` once every session is open and warm, waits for a line, runs, and prints what it saw as JSON.
"""

import argparse
import asyncio
import contextlib
import sys
import time

import msgspec
import uvloop
from httptools import HttpResponseParser

VERSION = "2025-11-25"
TEXT = "Nothing is as fast as what is not done."
HEADERS = (
    b"content-type: application/json\r\n"
    b"accept: application/json, text/event-stream\r\n"
    b"mcp-protocol-version: 2025-11-25\r\n"
    b"x-tenant: a-tenant-of-the-benchmark\r\n"
    b"x-api-key: 0123456789abcdef0123456789abcdef\r\n"
)
_WARM_CALLS = 200
_CALL_SECONDS = 60.0
_SPREAD = 10_000
"""Ids are as long in the first call as in the last."""


class LoadResult(msgspec.Struct):
    """One turn: calls, seconds, and the latencies at two quantiles in milliseconds."""

    calls: int
    seconds: float
    p50: float
    p99: float


class Session(asyncio.Protocol):
    """One MCP session on one connection, one request at a time."""

    def __init__(self, host: str, path: str) -> None:
        self._line = f"POST {path} HTTP/1.1\r\nhost: {host}\r\n".encode()
        self._id = b""
        self._answer: asyncio.Future[bytes] | None = None
        self._calls = _SPREAD
        self._call_head = b""
        self._call_tail = b""
        self.latencies: list[float] = []

    def connection_made(self, transport) -> None:
        self._transport = transport
        self._parser = HttpResponseParser(self)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(exc or ConnectionError("the connection was closed"))

    def on_message_begin(self) -> None:
        self._body = b""

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"mcp-session-id":
            self._id = b"mcp-session-id: " + value + b"\r\n"

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        if self._answer is None:
            return
        status = self._parser.get_status_code()
        answer, self._answer = self._answer, None
        if status in (200, 202):
            answer.set_result(self._body)
        else:
            answer.set_exception(RuntimeError(f"HTTP status {status}: {self._body[:200]!r}"))

    def _send(self, head: bytes, body: bytes) -> asyncio.Future[bytes]:
        self._answer = answer = asyncio.get_running_loop().create_future()
        self._transport.write(b"%b%bcontent-length: %d\r\n\r\n%b" % (head, HEADERS, len(body), body))
        return answer

    async def _ask(self, method: str, params: object | None = None, request_id: int | None = None) -> bytes:
        message = {"jsonrpc": "2.0", "method": method}
        if request_id is not None:
            message["id"] = request_id
        if params is not None:
            message["params"] = params
        async with asyncio.timeout(_CALL_SECONDS):
            return await self._send(self._line + self._id, msgspec.json.encode(message))

    async def open(self) -> None:
        """Initialises the session and finds the exposed name of the tool."""
        who = {"name": "load", "version": "1"}
        hello = {"protocolVersion": VERSION, "capabilities": {}, "clientInfo": who}
        await self._ask("initialize", hello, 1)
        await self._ask("notifications/initialized")
        listed = _message(await self._ask("tools/list", {}, 2))
        name = next(tool["name"] for tool in listed["result"]["tools"] if tool["name"].endswith("echo"))
        params = msgspec.json.encode({"name": name, "arguments": {"text": TEXT}})
        self._call_head = b'{"jsonrpc":"2.0","id":'
        self._call_tail = b',"method":"tools/call","params":%b}' % params

    async def call(self) -> None:
        """Calls the tool once and notes how long that took."""
        self._calls += 1
        body = self._call_head + b"%d" % self._calls + self._call_tail
        began = time.perf_counter()
        answer = await self._send(self._line + self._id, body)
        self.latencies.append(time.perf_counter() - began)
        if TEXT.encode() not in answer or b'"id":%d' % self._calls not in answer.replace(b" ", b""):
            raise RuntimeError(f"wrong answer: {answer[:300]!r}")

    async def run(self, until: float) -> None:
        while time.perf_counter() < until:
            await self.call()

    async def close(self) -> None:
        with contextlib.suppress(ConnectionError, RuntimeError, TimeoutError):
            async with asyncio.timeout(2):
                await self._send(self._line.replace(b"POST", b"DELETE") + self._id, b"")
        self._transport.close()


def _message(body: bytes):
    """The JSON-RPC message of a JSON body or of the last event with data."""
    if body.lstrip()[:1] == b"{":
        return msgspec.json.decode(body)
    lines = [line for line in body.splitlines() if line.startswith(b"data:") and len(line) > len(b"data: ")]
    return msgspec.json.decode(lines[-1].removeprefix(b"data:"))


async def drive(port: int, path: str, sessions: int, seconds: float) -> None:
    loop = asyncio.get_running_loop()
    opened = [Session(f"127.0.0.1:{port}", path) for _ in range(sessions)]
    for session in opened:
        await loop.create_connection(lambda session=session: session, "127.0.0.1", port)
        await session.open()
    # A slow contender gets fewer warm calls, not a longer turn.
    until = time.perf_counter() + min(seconds, 1.0)
    for _ in range(_WARM_CALLS):
        await asyncio.gather(*(session.call() for session in opened))
        if time.perf_counter() > until:
            break
    for session in opened:
        session.latencies.clear()
    print("ready", flush=True)
    sys.stdin.readline()
    began = time.perf_counter()
    async with asyncio.timeout(seconds + _CALL_SECONDS):
        await asyncio.gather(*(session.run(began + seconds) for session in opened))
    took = time.perf_counter() - began
    seen = sorted(latency for session in opened for latency in session.latencies)
    result = LoadResult(len(seen), took, seen[len(seen) // 2] * 1000, seen[len(seen) * 99 // 100] * 1000)
    print(msgspec.json.encode(result).decode(), flush=True)
    for session in opened:
        await session.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--path", default="/mcp")
    parser.add_argument("--sessions", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=3.0)
    options = parser.parse_args()
    uvloop.run(drive(options.port, options.path, options.sessions, options.seconds))


if __name__ == "__main__":
    main()
