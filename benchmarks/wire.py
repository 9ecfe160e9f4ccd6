"""The client's side of HTTP: one kept connection, one request at a time, as cheap as Python allows."""

import asyncio
from dataclasses import dataclass
from functools import partial
from typing import cast

from httptools import HttpResponseParser


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; the names of `headers` are in lower case."""

    status: int
    headers: dict[bytes, bytes]
    body: bytes


class Connection(asyncio.Protocol):
    """Sends requests and waits for answers; `stream` waits for the head only and then counts what comes."""

    def __init__(self) -> None:
        self.streamed = 0
        self._transport: asyncio.Transport | None = None
        self._parser = HttpResponseParser(self)
        self._answer: asyncio.Future[Answer] | None = None
        self._headers: dict[bytes, bytes] = {}
        self._parts: list[bytes] = []
        self._is_stream = False

    @property
    def is_open(self) -> bool:
        """Whether a request can be sent."""
        return self._transport is not None and not self._transport.is_closing()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclass of asyncio's.
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(exc or ConnectionResetError("closed before the answer was complete"))

    def on_message_begin(self) -> None:
        self._parts = []
        self._headers = {}

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        if self._is_stream:
            self._finish()

    def on_body(self, body: bytes) -> None:
        if self._is_stream:
            self.streamed += len(body)
        else:
            self._parts.append(body)

    def on_message_complete(self) -> None:
        if not self._is_stream:
            self._finish()

    def send(self, head: bytes, body: bytes) -> asyncio.Future[Answer]:
        """Sends a request; `head` is the request line and every field but the length.

        The future fails with `ConnectionError` where the connection ends first.
        """
        self._answer = answer = asyncio.get_running_loop().create_future()
        if self._transport is None:
            answer.set_exception(ConnectionResetError("closed before the request was sent"))
        else:
            self._transport.write(b"%bcontent-length: %d\r\n\r\n%b" % (head, len(body), body))
        return answer

    def stream(self, head: bytes) -> asyncio.Future[Answer]:
        """Sends a GET whose answer does not end."""
        self._is_stream = True
        return self.send(head, b"")

    def close(self) -> None:
        """Hangs up, whatever is under way."""
        if self._transport is not None:
            self._transport.abort()

    def _finish(self) -> None:
        answer, self._answer = self._answer, None
        if answer is not None and not answer.done():
            answer.set_result(Answer(self._parser.get_status_code(), self._headers, b"".join(self._parts)))


async def connect(port: int) -> Connection:
    """A connection to a port of this machine."""
    loop = asyncio.get_running_loop()
    _, connection = await loop.create_connection(partial(Connection), "127.0.0.1", port)
    return connection


def message_in(body: bytes) -> bytes:
    """The JSON-RPC message of a JSON body, or of the last event with data."""
    if body.lstrip()[:1] == b"{":
        return body
    lines = [line for line in body.splitlines() if line.startswith(b"data:") and len(line) > len(b"data: ")]
    return lines[-1].removeprefix(b"data:").strip() if lines else b"null"
