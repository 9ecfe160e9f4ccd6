"""The server's side of HTTP/1.1 connections: bounds that uvicorn leaves open."""

import asyncio
from typing import Any, Final

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from vmcp_proxy.serve.http.bounds import UNCOUNTED_BYTES, Bounds
from vmcp_proxy.serve.http.refusals import BAD, NO_CODING, NO_VERSION, TOO_LARGE, TOO_MANY, TOO_SLOW

MAX_HEAD_BYTES: Final = 65_536
"""Largest request line with headers; the parser itself would buffer any size."""

HEAD_SECONDS: Final = 30.0
"""How long a request's head may take, and how long a new connection may stay silent."""

BODY_SECONDS: Final = 60.0
"""How long a request's body may take from the end of its head on, while it is read."""

MAX_FRAMING_BYTES: Final = 16_384
"""Bytes of a chunked message that are no body: trailers, chunk extensions, sizes of chunks beyond `_CHUNK_BYTES`.

However long the body is: the parser takes time that grows with the square of one field's length.
"""

_CHUNK_BYTES: Final = 12
"""What each chunk may have around its data: eight digits and two ends of lines."""

MOST_FIELDS: Final = 1024
"""Header fields of a request: one of four bytes takes more than a hundred in memory."""

_FIELD_COST: Final = 200
"""Bytes that a header field takes in memory beside its own; 1 024 short ones take 200 KB and come in 4 KB."""

MOST_AHEAD_BYTES: Final = 512 << 10
"""Bytes of further requests that are kept while one request waits for the one before; reading stops long before."""

_SLICE_BYTES: Final = 512
"""Of a chunked body that looks like many requests, so much is parsed at a time."""

STALL_SECONDS: Final = 120.0
"""How long a client may read nothing of an answer that waits for it."""

_VERSIONS: Final = ("1.1", "1.0")
_END_OF_HEAD: Final = b"\r\n\r\n"
_FIELD_BYTES: Final = len(b": \r\n")
_INVALID: Final = "Invalid HTTP request received."


class _RefusedError(Exception):
    """Stops the parser; the argument is the answer."""


class BoundedHttpProtocol(HttpToolsProtocol):
    """A connection that is bounded in what it may send before it is answered, and in what waits for it (ADR-0028).

    No other protocol is spoken: a request that wishes for one is answered in this one (RFC 9110 section 7.8). Fields
    of a trailer are read over (section 6.5.1), blanks around values are no part of them (section 5.5). At most one
    request waits for the one before it; what follows is not parsed.

    Connections that send nothing, or a head or body byte by byte, or that read nothing, are found by a look at all
    connections now and then: a timer for each request would cost on the hot path. Once `leaving` is set each answer
    is the last one of its connection, and says so: a client that finds it closed when it sends would lose a request.
    """

    def __init__(self, *args: Any, leaving: asyncio.Event, bounds: Bounds, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._leaving: Final = leaving
        self._bounds: Final = bounds
        self._head_bytes = self._head_cost = self._read_bytes = 0
        self._is_between = True
        self._is_in = self._is_head_only = self._is_head_done = self._is_refused = False
        self._plain_head: bytes | None = None
        self._head_since: float | None = self.loop.time()
        self._body_since: float | None = None
        self._idle_since: float | None = None
        self._body_bytes = 0
        self._framing_bytes = 0
        self._is_chunked = False
        self._length = 0
        self._ahead = b""
        self._unsent = 0
        self._unsent_since = 0.0
        self._served: RequestResponseCycle | None = None

    @property
    def address(self) -> str:
        """See `Peer.address`."""
        return self.client[0] if self.client else ""

    @property
    def is_waiting(self) -> bool:
        """See `Peer.is_waiting`."""
        return self._served is None or self._served.response_complete

    @property
    def unread(self) -> int:
        """See `Peer.unread`."""
        return self.transport.get_write_buffer_size()

    def give_up_body(self) -> bool:
        """See `Peer.give_up_body`."""
        is_head = self._head_since is not None and self._head_bytes > 0
        if self._is_refused or (self._body_since is None and not is_head):
            return False
        self._bounds.release_body(self)
        self._refuse(TOO_MANY)
        return True

    def noted_long(self) -> None:
        """Hears that a long answer has been written."""
        self._bounds.wrote(self)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._is_in = self._bounds.admit(self)
        if not self._is_in:
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._bounds.leave(self)
        self._ahead = b""
        self.pipeline.clear()
        served = self._served
        if served is not None and served is not self.cycle:
            # The server's own method tells the request that was read last, which may not be the one being answered.
            self._tell_gone(served)
        super().connection_lost(exc)

    def is_stalled(self, now: float) -> bool:
        """Whether a head or a body has been due, or an answer has not been read, for too long; `now` in loop time.

        Between requests a connection is kept for the server's keep-alive time. A body is due only while it is read.
        """
        if self._reads_nothing(now):
            return True
        if self._idle_since is not None and now - self._idle_since > self.timeout_keep_alive:
            return True
        if self._body_since is not None:
            if self.flow.read_paused:
                self._body_since = now
            elif now - self._body_since > BODY_SECONDS and not self._is_refused:
                self._refuse(TOO_SLOW)
                return False
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
        if self._ahead or self.pipeline:
            self._keep(data)
        elif data.count(_END_OF_HEAD) > 1:
            self._receive_each(data)
        else:
            self._receive(data)

    def _keep(self, data: bytes) -> None:
        """Keeps what comes while a request waits already, and reads no more."""
        self._ahead += data
        if len(self._ahead) > MOST_AHEAD_BYTES:
            self.transport.abort()
            return
        self.flow.pause_reading()

    def _receive_each(self, data: bytes) -> None:
        """Parses what may be several requests, until one waits."""
        start = 0
        while start < len(data) and not self._is_refused and not self.transport.is_closing():
            if self.pipeline:
                self._keep(data[start:])
                return
            end = self._end_of_part(data, start)
            self._receive(data[start:end])
            start = end

    def _end_of_part(self, data: bytes, start: int) -> int:
        """How far to parse at a time: to the end of a head, or of a body; a chunked one shows its end to the parser."""
        is_body = self._is_head_done and not self._is_between
        if is_body and not self._is_chunked:
            return start + max(self._length - self._body_bytes, 1)
        end = data.find(_END_OF_HEAD, start + _SLICE_BYTES if is_body else start)
        return len(data) if end < 0 else end + len(_END_OF_HEAD)

    def _receive(self, data: bytes) -> None:
        self._read_bytes = len(data)
        self._is_head_only = self._is_between or self._head_since is not None
        held = self._body_bytes
        try:
            self._feed(data)
        except HttpParserError as error:
            if isinstance(error.__context__, _RefusedError):
                self._refuse(error.__context__.args[0])
                return
            self.logger.warning(_INVALID)
            self._refuse(BAD) if self._is_for_another() else self.send_400_response(_INVALID)
            return
        if self._head_since is not None:
            # Of a read that holds the end of another request too, only what has been understood counts.
            self._head_bytes += len(data) if self._is_head_only else self._head_size()
            if self._head_bytes > MAX_HEAD_BYTES:
                self._refuse(TOO_LARGE)
            else:
                self._hold(self._head_bytes)
        elif self._is_chunked and self._body_since is not None:
            self._framing_bytes += len(data) - max(self._body_bytes - held, 0)
            if self._framing_bytes > MAX_HEAD_BYTES + MAX_FRAMING_BYTES:
                self._refuse(TOO_LARGE)

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

    def _refuse(self, answer: bytes) -> None:
        """Answers for the application; until the client closes, or `is_stalled`, what it still sends is dropped.

        A connection that is closed with bytes unread is reset, and the client may never see the answer. Where another
        request is being answered, that answer is the last; where this answer has begun, the connection is closed.
        """
        self._body_since = None
        served = self._served
        if served is not None and self._is_for_another():
            self._is_refused, self._ahead, self._head_since = True, b"", None
            self.pipeline.clear()
            served.keep_alive = False
            return
        if served is not None and served.response_started and not served.response_complete:
            self.transport.close()
            return
        self._is_refused = True
        self._head_since = self.loop.time()
        self.transport.write(answer)
        self.transport.write_eof()
        # What was refused is not kept for as long as the client takes to read that. The task may have yet to take it.
        self.headers, self.scope = [], {}  # type: ignore[typeddict-item]
        if served is not None:
            self.loop.call_soon(setattr, served, "scope", self.scope)
            self._tell_gone(served)

    @staticmethod
    def _tell_gone(served: RequestResponseCycle) -> None:
        if not served.response_complete:
            served.disconnected = True
            served.message_event.set()

    def _is_for_another(self) -> bool:
        """Whether what is said now would be taken for the answer to a request that was read before."""
        is_next = self._is_between or self._head_since is not None or self._served is not self.cycle
        return is_next and not self.is_waiting

    def _hold(self, head_bytes: int) -> None:
        """Counts what a head takes in memory, of which each field is a part; only long ones are worth the count."""
        self._head_cost = head_bytes + _FIELD_COST * len(self.headers or ())
        if self._head_cost > UNCOUNTED_BYTES:
            self._bounds.hold_body(self, self._head_cost)

    def _head_size(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + _FIELD_BYTES for name, value in self.headers)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head_bytes = self._body_bytes = self._framing_bytes = 0
        self._is_between = self._is_head_done = self._is_chunked = False
        self._idle_since = None
        self._head_since = self.loop.time()

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._is_head_done:
            return
        if len(self.headers) == MOST_FIELDS:
            raise _RefusedError(TOO_LARGE)
        name = name.lower()
        value = value.strip(b" \t")
        if name == b"expect" and value.lower() == b"100-continue" and self.parser.get_http_version() != "1.0":
            self.expect_100_continue = True
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        if self._head_bytes + self._read_bytes > MAX_HEAD_BYTES and self._head_size() > MAX_HEAD_BYTES:
            raise _RefusedError(TOO_LARGE)
        if self.parser.should_upgrade() and self.parser.get_method() != b"CONNECT":
            self._plain_head = self._without_upgrade()
            return
        version = self.parser.get_http_version()
        if version not in _VERSIONS:
            raise _RefusedError(NO_VERSION)
        names = [name for name, _ in self.headers]
        if b"host" not in names and version == "1.1":
            raise _RefusedError(BAD)
        if b"transfer-encoding" in names:
            if version == "1.0":
                # Its framing is faulty (RFC 9112 section 6.1).
                raise _RefusedError(BAD)
            codings = [value.lower() for name, value in self.headers if name == b"transfer-encoding"]
            if codings != [b"chunked"]:
                raise _RefusedError(NO_CODING)
            self._is_chunked = True
        else:
            self._length = int(dict(self.headers).get(b"content-length", b"0"))
        super().on_headers_complete()
        self._is_head_done = True
        self._head_since = None
        self._body_since = self.loop.time()
        # A head that came whole, in one read, is held like one that came in pieces.
        self._hold(self._head_size())
        if self._leaving.is_set():
            self.cycle.keep_alive = False

    def on_chunk_header(self) -> None:
        self._framing_bytes -= _CHUNK_BYTES

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        if (held := self._head_cost + self._body_bytes) > UNCOUNTED_BYTES and not self.cycle.response_complete:
            self._bounds.hold_body(self, held)
        if not self._is_refused:
            super().on_body(body)

    def on_message_complete(self) -> None:
        if self._plain_head is not None:
            return
        self._is_between = True
        self._is_head_only = False
        self._body_since = None
        if not self.cycle.response_complete:
            self.cycle.more_body = False
            self.cycle.message_event.set()

    def on_response_complete(self) -> None:
        """Begins the next request where the client has sent it already, and the wait for it where not.

        The server's own method arms a timer for each answer; the look at all connections does without.
        """
        self.server_state.total_requests += 1
        self._bounds.release_body(self)
        if self.transport.is_closing():
            return
        if self.expect_100_continue and self._body_since is not None and not self._body_bytes and not self.pipeline:
            # The client may never send the body now: what comes next would be read as one (RFC 9110 section 10.1.1).
            self.transport.close()
            return
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        elif self._body_since is None:
            self._idle_since = self.loop.time()
        if self._ahead:
            self.loop.call_soon(self._go_on)
        else:
            self.flow.resume_reading()

    def _go_on(self) -> None:
        """Parses on in what came while a request waited."""
        if self.transport.is_closing():
            return
        ahead, self._ahead = self._ahead, b""
        self._receive_each(ahead)
        if not self._ahead and not self.pipeline:
            self.flow.resume_reading()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._served = cycle
        super()._start_asgi_task(cycle, app)

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
