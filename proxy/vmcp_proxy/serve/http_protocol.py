"""The server's side of HTTP/1.1 connections: bounds that uvicorn leaves open."""

from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD_BYTES: Final = 65_536
"""Largest request line with headers; the parser itself would buffer any size."""

HEAD_SECONDS: Final = 30.0
"""How long a request's head may take, and how long a new connection may stay silent."""

STALL_SECONDS: Final = 120.0
"""How long a client may read nothing of an answer that waits for it."""

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
        self._unsent = 0
        self._unsent_since = 0.0

    def is_stalled(self, now: float) -> bool:
        """Whether a head has been due, or an answer has not been read, for too long; `now` in the loop's time."""
        if self._reads_nothing(now):
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
        self._head_since = self.loop.time()

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        self._head_since = None
