"""A legacy MCP backend that answers at once: raw asyncio and httptools, one tool `echo`, nothing awaited.

Its own cost is the same for every contender and is not counted. Run alone with::

    python -m benchmarks.backend [--sse]
"""

import argparse
import asyncio
import itertools
from http import HTTPStatus

import msgspec
import uvloop
from httptools import HttpRequestParser

from benchmarks.child import announce_port

_SESSIONS = itertools.count(1)
_HELLO = b'{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"bench","version":"1"}}'
_TOOLS = (
    b'{"tools":[{"name":"echo","description":"Says it again.","inputSchema":{"type":"object",'
    b'"properties":{"text":{"type":"string"}},"required":["text"]}}]}'
)
_ANSWERS = {
    "initialize": _HELLO,
    "ping": b"{}",
    "tools/list": _TOOLS,
    "resources/list": b'{"resources":[]}',
    "resources/templates/list": b'{"resourceTemplates":[]}',
    "prompts/list": b'{"prompts":[]}',
}


class Arguments(msgspec.Struct):
    """What `echo` takes."""

    text: msgspec.Raw = msgspec.Raw(b'""')


class Params(msgspec.Struct):
    """As much of a request's params as `echo` needs."""

    arguments: Arguments = msgspec.field(default_factory=Arguments)


class Call(msgspec.Struct):
    """A request; the id of a notification is empty."""

    method: str = ""
    id: msgspec.Raw = msgspec.Raw()
    params: Params = msgspec.field(default_factory=Params)


_decode = msgspec.json.Decoder(Call).decode


class McpBackend(asyncio.Protocol):
    """One connection: each request is answered in one segment as soon as it is complete."""

    def __init__(self, *, is_sse: bool) -> None:
        self._is_sse = is_sse

    def connection_made(self, transport) -> None:
        self._transport = transport
        self._parser = HttpRequestParser(self)
        self._body = b""

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_begin(self) -> None:
        self._body = b""

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        if self._parser.get_method() != b"POST":
            gone = self._parser.get_method() == b"DELETE"
            self._answer(HTTPStatus.NO_CONTENT if gone else HTTPStatus.METHOD_NOT_ALLOWED)
            return
        call = _decode(self._body)
        if not bytes(call.id):
            self._answer(HTTPStatus.ACCEPTED)
        else:
            session = b"mcp-session-id: s-%d\r\n" % next(_SESSIONS) if call.method == "initialize" else b""
            self._reply(bytes(call.id), call, session)

    def _reply(self, request_id: bytes, call: Call, fields: bytes) -> None:
        if call.method == "tools/call":
            text = bytes(call.params.arguments.text)
            result = b'"result":{"content":[{"type":"text","text":%b}],"isError":false}' % text
        elif call.method in _ANSWERS:
            result = b'"result":' + _ANSWERS[call.method]
        else:
            result = b'"error":{"code":-32601,"message":"Method not found"}'
        body = b'{"jsonrpc":"2.0","id":%b,%b}' % (request_id, result)
        if self._is_sse and call.method == "tools/call":
            body = b"event: message\ndata: %b\n\n" % body
            self._answer(HTTPStatus.OK, b"content-type: text/event-stream\r\n" + fields, body)
        else:
            self._answer(HTTPStatus.OK, b"content-type: application/json\r\n" + fields, body)

    def _answer(self, status: HTTPStatus, fields: bytes = b"", body: bytes = b"") -> None:
        length = b"" if status == HTTPStatus.NO_CONTENT else b"content-length: %d\r\n" % len(body)
        self._transport.write(b"HTTP/1.1 %d OK\r\n%b%b\r\n%b" % (status, fields, length, body))


async def serve(*, is_sse: bool) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: McpBackend(is_sse=is_sse), "127.0.0.1", 0, backlog=1024)
    announce_port(server.sockets[0].getsockname()[1])
    await server.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sse", action="store_true", help="answer calls with an event stream instead of JSON")
    uvloop.run(serve(is_sse=parser.parse_args().sse))


if __name__ == "__main__":
    main()
