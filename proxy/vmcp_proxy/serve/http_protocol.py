"""The server's side of HTTP/1.1 connections: bounds that uvicorn leaves open."""

from typing import Any, Final

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


class BoundedHttpProtocol(HttpToolsProtocol):
    """A connection whose request heads are bounded in size and, through `is_stalled`, in time, like its answers.

    Connections that send nothing, or a head byte by byte, or that read nothing, are found by a look at all
    connections now and then: a timer for each request would cost on the hot path.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._head_bytes = 0
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
        super().data_received(data)
        if self._head_since is None:
            return
        self._head_bytes += len(data)
        if self._head_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
            self.transport.write(_TOO_LARGE)
            self.transport.close()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head_bytes = 0
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
        super().on_headers_complete()
        self._head_since = None


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
