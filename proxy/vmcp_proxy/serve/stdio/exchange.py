"""One message of a stdio client as a request to the application, and its answer as messages."""

import asyncio
import sys
from collections.abc import Sequence
from typing import Final

from vmcp_proxy.protocol.sse import SseParser
from vmcp_proxy.serve.context import EVENT_STREAM, JSON, Message, Scope
from vmcp_proxy.serve.stdio.pipes import Output

_SESSION: Final = b"mcp-session-id"
_HEADERS: Final = (
    (b"host", b"localhost"),
    (b"accept", b"%b, %b" % (JSON, EVENT_STREAM)),
    (b"content-type", JSON),
)
"""What every request of a client on this machine carries."""


class StdioExchange:
    """The `receive` and `send` of one request. Everything that is a message is written; `is_silent` writes no answer.

    `fields` stand for what a client of the modern era would say in headers. `session_id` is the one that the answer
    names, `status` its HTTP status.
    """

    def __init__(
        self,
        output: Output,
        method: str,
        body: bytes,
        session_id: bytes | None,
        *,
        is_silent: bool,
        fields: Sequence[tuple[bytes, bytes]] = (),
    ) -> None:
        session = () if session_id is None else ((_SESSION, session_id),)
        accepts = _HEADERS if method != "GET" else (_HEADERS[0], (b"accept", EVENT_STREAM))
        self.scope: Final[Scope] = {
            "type": "http",
            "method": method,
            "path": "/mcp",
            "headers": [*accepts, *session, *fields],
            "client": None,
        }
        self.status = 0
        self.session_id: bytes | None = None
        self._output: Final = output
        self._body: bytes | None = body
        self._is_silent: Final = is_silent
        self._stream: SseParser | None = None
        self._answer: list[bytes] = []
        self._gone: Final = asyncio.Event()
        self._is_cancelled = False

    async def receive(self) -> Message:
        """See ASGI: the body, then the end of the connection, which comes only with `hang_up`."""
        if self._body is not None:
            body, self._body = self._body, None
            return {"type": "http.request", "body": body, "more_body": False}
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """See ASGI: what it holds is written to the client."""
        if message["type"] == "http.response.start":
            headers = dict(message.get("headers", ()))
            self.status = message["status"]
            self.session_id = headers.get(_SESSION)
            if headers.get(b"content-type", b"").startswith(EVENT_STREAM):
                # Backends' messages are bounded where they are read.
                self._stream = SseParser(sys.maxsize)
            return
        if self._is_cancelled:
            return
        body = message.get("body", b"")
        if self._stream is not None:
            for event in self._stream.feed(body):
                if event.data:
                    await self.write(event.data)
            return
        self._answer.append(body)
        if not message.get("more_body", False) and any(self._answer) and not self._is_silent:
            await self.write(b"".join(self._answer))

    async def write(self, message: bytes) -> None:
        """Writes one message as a line; line breaks in JSON are white space between tokens and become blanks."""
        if b"\n" in message or b"\r" in message:
            message = message.replace(b"\r", b" ").replace(b"\n", b" ")
        await self._output.write((message, b"\n"))

    def cancel(self) -> None:
        """Gives a request of the modern era up: nothing of it is written any more."""
        self._is_cancelled = True
        self.hang_up()

    def hang_up(self) -> None:
        """Ends a stream from the client's side."""
        self._gone.set()
