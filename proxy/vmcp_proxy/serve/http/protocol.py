"""The server's side of HTTP/1.1 connections: bounds that uvicorn leaves open."""

import asyncio
from typing import Any, Final

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from vmcp_proxy.serve.http import limits, refusals
from vmcp_proxy.serve.http.bounds import Bounds, Held
from vmcp_proxy.serve.http.closing import ClosesUnused, has_input
from vmcp_proxy.serve.http.departure import TellsDeparture, tell_cycle
from vmcp_proxy.serve.http.head import FIELD_COST, fault_of, size_of_head, without_upgrade
from vmcp_proxy.serve.http.holds import RequestHolds
from vmcp_proxy.serve.http.reading import CountsUnread
from vmcp_proxy.serve.http.refusal_log import RefusalLog
from vmcp_proxy.serve.http.refusals import HttpRefusal
from vmcp_proxy.serve.http.serving import ServesByOneTask

_CHUNK_BYTES: Final = 12
"""What each chunk may have around its data: eight digits and two ends of lines."""

_SLICE_BYTES: Final = 512
"""Of a chunked body that looks like many requests, so much is parsed at a time."""

_END_OF_HEAD: Final = b"\r\n\r\n"


class _RefusedError(Exception):
    """Stops the parser; the argument is the refusal."""


class BoundedHttpProtocol(TellsDeparture, ClosesUnused, CountsUnread, ServesByOneTask):
    """A connection that is bounded in what it may send before it is answered, and in what waits for it (ADR-0028).

    No other protocol is spoken: a request that wishes for one is answered in this one (RFC 9110 section 7.8). Fields
    of a trailer are read over (section 6.5.1), blanks around values are no part of them (section 5.5). At most one
    request waits for the one before it; what follows is not parsed. A client that has closed its side gets the answers
    to what it has sent whole.

    Connections that send nothing, or a head or body byte by byte, or that read nothing, are found by a look at all
    connections now and then: a timer for each request would cost on the hot path. Once `leaving` is set each answer
    is the last one of its connection, and says so: a client that finds it closed when it sends would lose a request.
    """

    def __init__(self, *args: Any, leaving: asyncio.Event, bounds: Bounds, log: RefusalLog, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._leaving: Final = leaving
        self._bounds: Final = bounds
        self._refusal_log: Final = log
        self._head_bytes = self._head_cost = self._read_bytes = 0
        self._is_between = True
        self._is_in = self._is_head_only = self._is_head_done = self._is_refused = self.is_half_closed = False
        self._plain_head: bytes | None = None
        self._head_since: float | None = self.loop.time()
        self._body_since: float | None = None
        self._body_bytes = self._framing_bytes = 0
        self._is_chunked = False
        self._length = 0
        self._ahead = b""
        self._holds: Final = RequestHolds(bounds, self)

    @property
    def address(self) -> str:
        """See `Peer.address`."""
        return self.client[0] if self.client else ""

    @property
    def is_waiting(self) -> bool:
        """See `Peer.is_waiting`."""
        return self._served is None or self._served.response_complete

    def give_up(self, held: Held) -> bool:
        """See `Peer.give_up`."""
        if self._is_refused or not self._holds.is_read(held) or not self.is_reading:
            return False
        self._refuse(refusals.NO_ROOM)
        return True

    @property
    def is_reading(self) -> bool:
        """See `ClosesUnused.is_reading`."""
        return self._body_since is not None or (self._head_since is not None and self._head_bytes > 0)

    def release_served(self) -> None:
        """Hears that the request that is being answered keeps nothing long."""
        self._holds.release_served()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._is_in = self._bounds.admit(self)
        if not self._is_in:
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._bounds.leave(self)
        self._holds.release()
        self._ahead = b""
        self.pipeline.clear()
        served = self._served
        if served is not None and served is not self.cycle:
            # The server's own method tells the request that was read last, which may not be the one being answered.
            tell_cycle(served)
        super().connection_lost(exc)
        self.tell_gone()

    def eof_received(self) -> bool:  # type: ignore[override]
        """Answers what has come whole to a client that has closed its side, which may still read (ADR-0028).

        A stream has no end that such a client could wait for: it ends, and its messages are kept, as where both sides
        are closed. Nothing tells this end from that of a client that has gone, so whoever hears `on_gone` hears it:
        requests of the modern era are cancelled, and answered so (ADR-0059).
        """
        served = self._served
        is_stream = served is not None and served.response_started and served.chunked_encoding
        if not self._ahead:
            self._refuse_incomplete()
        if self.is_waiting or is_stream or self.cycle.disconnected:
            return False
        self.is_half_closed = True
        if not self._ahead:
            self.cycle.keep_alive = False
        self.tell_gone()
        return True

    def is_stalled(self, now: float) -> bool:
        """Whether a head or a body has been due, or an answer has not been read, for too long; `now` in loop time.

        Between requests a connection is kept for the server's keep-alive time. A body is due only while it is read.
        """
        if self._reads_nothing(now) or self.is_unused(now):
            return True
        if self._body_since is not None:
            if self.flow.read_paused:
                self._body_since = now
            elif now - self._body_since > limits.BODY_SECONDS and not self._is_refused:
                self._refuse(refusals.BODY_TOO_SLOW)
                return False
        if self._head_since is None or now - self._head_since <= limits.HEAD_SECONDS:
            return False
        return self._is_refused or self._head_bytes > 0 or not has_input(self.transport)

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
        if len(self._ahead) > limits.MOST_AHEAD_BYTES:
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
            cause = error.__context__
            self._refuse(cause.args[0] if isinstance(cause, _RefusedError) else refusals.refusal_of(data, error))
            return
        if self._head_since is not None:
            # Of a read that holds the end of another request too, only what has been understood counts.
            self._head_bytes += len(data) if self._is_head_only else size_of_head(self.url, self.headers)
            if self._head_bytes > limits.MAX_HEAD_BYTES:
                self._refuse(refusals.HEAD_TOO_LARGE)
            else:
                self._hold(self._head_bytes)
        elif self._is_chunked and self._body_since is not None:
            self._framing_bytes += len(data) - max(self._body_bytes - held, 0)
            if self._framing_bytes > limits.MAX_HEAD_BYTES + limits.MAX_FRAMING_BYTES:
                self._refuse(refusals.FRAMING_TOO_LARGE)

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
                    raise
                rest = rest[upgrade.args[0] :]
                self.parser = HttpRequestParser(self)
                self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
                self.parser.feed_data(head)
            else:
                return

    def _refuse(self, refusal: HttpRefusal) -> None:
        """Answers for the application; until the client closes, or `is_stalled`, what it still sends is dropped.

        A connection that is closed with bytes unread is reset, and the client may never see the answer. Where another
        request is being answered, that answer is the last; where this answer has begun, the connection is closed.
        """
        self._refusal_log.note(refusal, self.address)
        self._body_since = None
        served = self._served
        self._holds.release_waiting()
        if served is not None and self._is_for_another():
            self._is_refused, self._ahead, self._head_since = True, b"", None
            self.pipeline.clear()
            served.keep_alive = False
            return
        self._holds.release()
        if served is not None and served.response_started and not served.response_complete:
            self.transport.close()
            return
        self._is_refused = True
        self._head_since = self.loop.time()
        self.transport.write(refusal.answer)
        self.transport.write_eof()
        # What was refused is not kept for as long as the client takes to read that. The task may have yet to take it.
        self.headers, self.scope = [], {}  # type: ignore[typeddict-item]
        if served is not None:
            self.loop.call_soon(setattr, served, "scope", self.scope)
            tell_cycle(served)

    def _is_for_another(self) -> bool:
        """Whether what is said now would be taken for the answer to a request that was read before."""
        is_next = self._is_between or self._head_since is not None or self._served is not self.cycle
        return is_next and not self.is_waiting

    def _hold(self, head_bytes: int) -> None:
        """Counts what a head takes in memory, of which each field is a part."""
        self._head_cost = head_bytes + FIELD_COST * len(self.headers or ())
        self._holds.grow(self._head_cost, is_served=self._is_head_done and self._served is self.cycle)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head_bytes = self._body_bytes = self._framing_bytes = 0
        self._is_between = self._is_head_done = self._is_chunked = False
        self._holds.begin()
        self._idle_since = None
        self._head_since = self.loop.time()

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._is_head_done:
            return
        if len(self.headers) == limits.MOST_FIELDS:
            raise _RefusedError(refusals.HEAD_TOO_LARGE)
        name = name.lower()
        value = value.strip(b" \t")
        if name == b"expect" and value.lower() == b"100-continue" and self.parser.get_http_version() != "1.0":
            self.expect_100_continue = True
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        if (
            self._head_bytes + self._read_bytes > limits.MAX_HEAD_BYTES
            and size_of_head(self.url, self.headers) > limits.MAX_HEAD_BYTES
        ):
            raise _RefusedError(refusals.HEAD_TOO_LARGE)
        version = self.parser.get_http_version()
        named = dict(self.headers)
        if (fault := fault_of(version, named, self.headers)) is not None:
            raise _RefusedError(fault)
        method = self.parser.get_method()
        if method == b"CONNECT":
            raise _RefusedError(refusals.TUNNEL)
        if self.parser.should_upgrade():
            self._plain_head = without_upgrade(method, self.url, version, self.headers)
            return
        self._is_chunked = b"transfer-encoding" in named
        self._length = 0 if self._is_chunked else int(named.get(b"content-length", b"0"))
        super().on_headers_complete()
        self._is_head_done = True
        self._head_since = None
        self._body_since = self.loop.time()
        # A head that came whole, in one read, is held like one that came in pieces.
        self._hold(size_of_head(self.url, self.headers))
        if self._leaving.is_set():
            self.cycle.keep_alive = False

    def on_chunk_header(self) -> None:
        self._framing_bytes -= _CHUNK_BYTES

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        if not self.cycle.response_complete:
            self._holds.grow(self._head_cost + self._body_bytes, is_served=self._served is self.cycle)
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
        elif self.cycle is self._served:
            # The answer came before the whole request had.
            self._idle_since = self.loop.time()

    def on_response_complete(self) -> None:
        """Begins the next request where the client has sent it already, and the wait for it where not.

        The server's own method arms a timer for each answer; the look at all connections does without.
        """
        self.server_state.total_requests += 1
        self._holds.release_served()
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
            self._read_on()

    def _go_on(self) -> None:
        """Parses on in what came while a request waited."""
        if self.transport.is_closing():
            return
        ahead, self._ahead = self._ahead, b""
        self._receive_each(ahead)
        if not self._ahead and not self.pipeline:
            self._read_on()

    def _read_on(self) -> None:
        if not self.is_half_closed:
            self.flow.resume_reading()
            return
        self._refuse_incomplete()
        if self.is_waiting or self.cycle.disconnected:
            self.transport.close()

    def _refuse_incomplete(self) -> None:
        """Refuses what has begun to come and never ends."""
        if self.is_reading and not self._is_refused:
            self._refuse(refusals.INCOMPLETE)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._served = cycle
        # The head of this one may have begun to come before the last answer was complete.
        self._idle_since = None
        self._holds.serve()
        super()._start_asgi_task(cycle, app)
