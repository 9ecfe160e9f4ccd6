"""The server's side of HTTP/1.1 connections: bounds that uvicorn leaves open."""

import asyncio
from typing import Any, Final

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from vmcp_proxy.protocol.jsonrpc import Answer, size_of

MAX_HEAD_BYTES: Final = 65_536
"""Largest request line with headers; the parser itself would buffer any size."""

HEAD_SECONDS: Final = 30.0
"""How long a request's head may take, and how long a new connection may stay silent."""

STALL_SECONDS: Final = 120.0
"""How long a client may read nothing of an answer that waits for it."""

_ANSWER: Final = b"HTTP/1.1 200 OK\r\n%bcontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
_JOINED: Final = 64 << 10
"""Answers up to this size are copied behind their head, larger ones are not."""

_TOO_LARGE: Final = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
_FIELD_BYTES: Final = len(b": \r\n")
_INVALID: Final = "Invalid HTTP request received."


class _HeadTooLargeError(Exception):
    """Stops the parser at the end of a head that is too large."""


class BoundedHttpProtocol(HttpToolsProtocol):
    """A connection whose request heads are bounded in size and, through `is_stalled`, in time, like its answers.

    No other protocol is spoken: a request that wishes for one is answered in this one (RFC 9110 section 7.8).

    Connections that send nothing, or a head byte by byte, or that read nothing, are found by a look at all
    connections now and then: a timer for each request would cost on the hot path. Once `leaving` is set each answer
    is the last one of its connection, and says so: a client that finds it closed when it sends would lose a request.
    """

    def __init__(self, *args: Any, leaving: asyncio.Event, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._leaving: Final = leaving
        self._head_bytes = 0
        self._read_bytes = 0
        self._is_between = True
        self._is_head_only = False
        self._is_refused = False
        self._plain_head: bytes | None = None
        self._head_since: float | None = self.loop.time()
        self._idle_since: float | None = None
        self._unsent = 0
        self._unsent_since = 0.0

    def is_stalled(self, now: float) -> bool:
        """Whether a head has been due, or an answer has not been read, for too long; `now` in the loop's time.

        Between requests a connection is kept for the server's keep-alive time.
        """
        if self._reads_nothing(now):
            return True
        if self._idle_since is not None and now - self._idle_since > self.timeout_keep_alive:
            return True
        return self._head_since is not None and now - self._head_since > HEAD_SECONDS

    def _reads_nothing(self, now: float) -> bool:
        unsent = self.transport.get_write_buffer_size()
        if unsent != self._unsent:
            self._unsent, self._unsent_since = unsent, now
        return unsent > 0 and now - self._unsent_since > STALL_SECONDS

    def abort(self) -> None:
        """Closes the connection at once."""
        self.transport.abort()

    def data_received(self, data: bytes) -> None:
        if self._is_refused:
            return
        self._read_bytes = len(data)
        self._is_head_only = self._is_between or self._head_since is not None
        try:
            self._feed(data)
        except HttpParserError as error:
            if isinstance(error.__context__, _HeadTooLargeError):
                self._refuse_head()
                return
            self.logger.warning(_INVALID)
            self.send_400_response(_INVALID)
            return
        if self._head_since is not None:
            # Of a read that holds the end of another request too, only what has been understood counts.
            self._head_bytes += len(data) if self._is_head_only else self._head_size()
            if self._head_bytes > MAX_HEAD_BYTES:
                self._refuse_head()

    def _feed(self, data: bytes) -> None:
        """Feeds the parser, which stops behind a head that wishes for another protocol and passes its body over.

        There it gets the head again without the wish, then all that follows.
        """
        rest = memoryview(data)
        while True:
            try:
                self.parser.feed_data(rest)
            except HttpParserUpgrade as upgrade:
                head, self._plain_head = self._plain_head, None
                if head is None:
                    raise HttpParserError(_INVALID) from None
                rest = rest[upgrade.args[0] :]
                self.parser = HttpRequestParser(self)
                self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
                self.parser.feed_data(head)
            else:
                return

    def _refuse_head(self) -> None:
        """Answers 431; until the client closes, or `is_stalled`, what it still sends is read and dropped.

        A connection that is closed with bytes unread is reset, and the client may never see the answer.
        """
        if getattr(self.cycle, "response_complete", True):  # there is no cycle before the first request
            self._is_refused = True
            self.transport.write(_TOO_LARGE)
            self.transport.write_eof()
        else:
            self.transport.close()

    def _head_size(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + _FIELD_BYTES for name, value in self.headers)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head_bytes = 0
        self._is_between = False
        self._idle_since = None
        self._head_since = self.loop.time()

    def on_response_complete(self) -> None:
        """Begins the next request where the client has sent it already, and the wait for it where not.

        The server's own method arms a timer for each answer; the look at all connections does without.
        """
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        else:
            self._idle_since = self.loop.time()

    def on_headers_complete(self) -> None:
        if self._head_bytes + self._read_bytes > MAX_HEAD_BYTES and self._head_size() > MAX_HEAD_BYTES:
            raise _HeadTooLargeError
        if self.parser.should_upgrade() and self.parser.get_method() != b"CONNECT":
            self._plain_head = self._without_upgrade()
            return
        super().on_headers_complete()
        self._head_since = None
        if self._leaving.is_set():
            self.cycle.keep_alive = False

    def on_message_complete(self) -> None:
        if self._plain_head is not None:
            return
        self._is_between = True
        self._is_head_only = False
        if not self.cycle.response_complete:
            self.cycle.more_body = False
            self.cycle.message_event.set()

    def _without_upgrade(self) -> bytes:
        """The head that has just been read, without the wish for another protocol."""
        fields = []
        for name, value in self.headers:
            if name == b"connection":
                options = [each for each in value.split(b",") if each.strip().lower() != b"upgrade"]
                fields.append(b"%b: %b\r\n" % (name, b",".join(options)))
            elif name != b"upgrade":
                fields.append(b"%b: %b\r\n" % (name, value))
        version = self.parser.get_http_version().encode()
        return b"%b %b HTTP/%b\r\n%b\r\n" % (self.parser.get_method(), self.url, version, b"".join(fields))


def has_gone(send: object) -> bool:
    """Whether the client that `send` leads to is known to have closed its connection; what is sent then is lost."""
    cycle = getattr(send, "__self__", None)
    return isinstance(cycle, RequestResponseCycle) and cycle.disconnected


def write_answer(send: object, body: Answer) -> bool:
    """Writes a whole JSON answer with status 200 at once; False where it has to go the long way, as ASGI messages.

    `send` is what the server has given to the application. The bytes are the same either way, but half of what an
    answer costs in the server is for cases that this is not: other headers, streams, a last answer, a client that
    reads too slowly.
    """
    cycle = getattr(send, "__self__", None)
    if (
        type(cycle) is not RequestResponseCycle
        or cycle.response_started
        or cycle.disconnected
        or cycle.access_log
        or not cycle.keep_alive
        or cycle.flow.write_paused
        or cycle.scope["method"] == "HEAD"
    ):
        return False
    fields = b"".join([b"%b: %b\r\n" % pair for pair in cycle.default_headers])
    size = size_of(body)
    parts = (_ANSWER % (fields, size), *body) if isinstance(body, tuple) else (_ANSWER % (fields, size), body)
    if size <= _JOINED:
        cycle.transport.write(b"".join(parts))
    else:
        cycle.transport.writelines(parts)
    cycle.waiting_for_100_continue = False
    cycle.chunked_encoding = False
    cycle.response_started = cycle.response_complete = True
    cycle.message_event.set()
    cycle.on_response()
    return True
