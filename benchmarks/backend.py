"""Legacy MCP backends that answer at once: raw asyncio and httptools, many ports in one process.

Each serves `echo`, `blob` (a result of so many bytes) and as many filler tools as asked for; the last `--hang` of
them read and never answer. The cost is the same for every contender and is not counted. The process says
`ports <port> ...` on stdout, answers a line `count` with the number of requests so far, and ends with its stdin.
"""

import argparse
import asyncio
import itertools
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import cast

import msgspec
import uvloop
from httptools import HttpRequestParser

HELLO = b'{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"bench","version":"1"}}'
_OWN_TOOLS = 2


class Arguments(msgspec.Struct):
    """What `echo` and `blob` take."""

    text: msgspec.Raw = msgspec.Raw(b'""')
    size: int = 0


class Params(msgspec.Struct):
    """As much of a request's params as the tools need."""

    name: str = ""
    arguments: Arguments = msgspec.field(default_factory=Arguments)


class Call(msgspec.Struct):
    """A request; the id of a notification is empty."""

    method: str = ""
    id: msgspec.Raw = msgspec.Raw()
    params: Params = msgspec.field(default_factory=Params)


_decode = msgspec.json.Decoder(Call).decode


@dataclass(slots=True)
class Answers:
    """What all backends of this process say; `count` is the requests they got."""

    tools: int
    is_sse: bool
    count: int = 0
    sessions: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    blobs: dict[int, bytes] = field(default_factory=dict)
    fixed: dict[str, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.fixed = {
            "initialize": HELLO,
            "ping": b"{}",
            "tools/list": msgspec.json.encode({"tools": tool_list(self.tools)}),
            "resources/list": b'{"resources":[]}',
            "resources/templates/list": b'{"resourceTemplates":[]}',
            "prompts/list": b'{"prompts":[]}',
        }

    def result(self, call: Call) -> bytes | None:
        """The result of a request; None for a method that there is not."""
        if call.method != "tools/call":
            return self.fixed.get(call.method)
        arguments = call.params.arguments
        text = self.blob(arguments.size) if call.params.name == "blob" else bytes(arguments.text)
        return b'{"content":[{"type":"text","text":%b}],"isError":false}' % text

    def blob(self, size: int) -> bytes:
        """A JSON string of so many bytes, with a line break every now and then as text has it."""
        blob = self.blobs.get(size)
        if blob is None:
            line = b"What is large is copied often, and each copy costs what a small call costs.\\n"
            blob = self.blobs[size] = b'"%b"' % (line * (size // len(line) + 1))[:size].rstrip(b"\\")
        return blob


def tool_list(count: int) -> list[dict[str, object]]:
    """`echo`, `blob` and fillers, `count` tools in all, each about as long as real ones are."""
    text = {"type": "string", "description": "What to say."}
    schema = {"type": "object", "properties": {"text": text, "size": {"type": "integer"}}}
    fillers = [f"filler_{number:04}" for number in range(max(count - _OWN_TOOLS, 0))]
    words = "does one thing of many, says so in a sentence or two as descriptions do, and is never called here."
    return [
        {"name": name, "description": f"{name} {words}", "inputSchema": schema, "annotations": {"readOnlyHint": True}}
        for name in ("echo", "blob", *fillers)
    ]


class McpBackend(asyncio.Protocol):
    """One connection: each request is answered in one segment as soon as it is complete."""

    def __init__(self, answers: Answers, *, hangs: bool) -> None:
        self._answers = answers
        self._hangs = hangs
        self._transport: asyncio.Transport | None = None
        self._parser = HttpRequestParser(self)
        self._parts: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclass of asyncio's.
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_begin(self) -> None:
        self._parts = []

    def on_body(self, body: bytes) -> None:
        self._parts.append(body)

    def on_message_complete(self) -> None:
        if self._hangs:
            return
        method = self._parser.get_method()
        if method != b"POST":
            self._answer(204 if method == b"DELETE" else 405)
            return
        self._answers.count += 1
        call = _decode(b"".join(self._parts))
        if not bytes(call.id):
            self._answer(202)
        else:
            self._reply(call)

    def _reply(self, call: Call) -> None:
        opened = call.method == "initialize"
        fields = b"mcp-session-id: s-%d\r\n" % next(self._answers.sessions) if opened else b""
        result = self._answers.result(call)
        error = b'"error":{"code":-32601,"message":"Method not found"}'
        member = error if result is None else b'"result":%b' % result
        body = b'{"jsonrpc":"2.0","id":%b,%b}' % (bytes(call.id), member)
        if self._answers.is_sse and call.method == "tools/call":
            body = b"event: message\ndata: %b\n\n" % body
            self._answer(200, b"content-type: text/event-stream\r\n" + fields, body)
        else:
            self._answer(200, b"content-type: application/json\r\n" + fields, body)

    def _answer(self, status: int, fields: bytes = b"", body: bytes = b"") -> None:
        length = b"" if status == 204 else b"content-length: %d\r\n" % len(body)
        if self._transport is not None:
            self._transport.write(b"HTTP/1.1 %d OK\r\n%b%b\r\n%b" % (status, fields, length, body))


async def serve(answers: Answers, backends: int, hanging: int) -> None:
    loop = asyncio.get_running_loop()
    ports = []
    servers = []
    for number in range(backends):
        factory = partial(McpBackend, answers, hangs=number >= backends - hanging)
        server = await loop.create_server(factory, "127.0.0.1", 0, backlog=2048)
        servers.append(server)
        ports.append(str(server.sockets[0].getsockname()[1]))
    ended = asyncio.Event()
    loop.add_reader(sys.stdin, _obey, answers, ended)
    print("ports", *ports, flush=True)
    await ended.wait()
    for server in servers:
        server.close()


def _obey(answers: Answers, ended: asyncio.Event) -> None:
    if sys.stdin.readline():
        print(answers.count, flush=True)
    else:
        ended.set()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backends", type=int, default=1, help="how many to serve, each on a port of its own")
    parser.add_argument("--tools", type=int, default=2, help="tools of each")
    parser.add_argument("--hang", type=int, default=0, help="how many of them never answer")
    parser.add_argument("--sse", action="store_true", help="answer calls with an event stream instead of JSON")
    options = parser.parse_args()
    uvloop.run(serve(Answers(options.tools, options.sse), options.backends, options.hang))


if __name__ == "__main__":
    main()
