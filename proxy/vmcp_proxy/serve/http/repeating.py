"""The server's side of a connection whose client sends one head again and again."""

import asyncio
from typing import Any, Final, cast

from uvicorn._types import HTTPScope
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from vmcp_proxy.serve.http.protocol import BoundedHttpProtocol
from vmcp_proxy.serve.http.repeated import MOST_BYTES, SAME_HEAD, RepeatedHead

_MOST_MISSES: Final = 8
"""Requests in a row with another head each, after which a connection is taken for one of many clients."""


class RepeatingHttpProtocol(BoundedHttpProtocol):
    """A connection on which a request goes past the parser whose head is the one before it, but for its length.

    What is kept of a head is what the server keeps of it anyhow, and for as long: until the next request or the end of
    the connection (ADR-0028). The parser stands between two requests meanwhile and sees nothing of those that go past.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._known: RepeatedHead | None = None
        self._misses = 0

    def data_received(self, data: bytes) -> None:
        known = self._known
        if known is not None and len(data) <= MOST_BYTES and self._is_between_requests:
            length = known.length_in(data)
            if length is not None:
                self._misses = 0
                self._serve(known, length, data)
                return
        was_between = self._is_between
        self._known = None
        super().data_received(data)
        if was_between and self._misses < _MOST_MISSES:
            self._misses += 1
            self._known = self._read_whole(data)

    @property
    def _is_between_requests(self) -> bool:
        """Whether the next request would be served at once, like the one before it."""
        cycle = self.cycle
        return (
            self._is_between
            and cycle is self._served
            and cycle.response_complete
            and not self._is_refused
            and not self._ahead
            and not self.is_half_closed
            and not self._leaving.is_set()
            and not self.transport.is_closing()
        )

    def _read_whole(self, data: bytes) -> RepeatedHead | None:
        """The head of the request that the parser has just read, where these bytes are that request and no more."""
        served = self._served
        if (
            len(data) > 2 * MOST_BYTES
            or not self._is_between
            or self._is_refused
            or self._is_chunked
            or self._ahead
            or self.pipeline
            or served is None
            or served is not self.cycle
            or served.response_started
            or not served.keep_alive
            or self.expect_100_continue
            or self.limit_concurrency is not None
            or self.scope["method"] != "POST"
            or self._body_bytes != self._length
        ):
            return None
        scope = {name: value for name, value in self.scope.items() if name not in ("headers", "state")}
        return RepeatedHead.of(data[: len(data) - self._length], self.headers, scope)

    def _serve(self, known: RepeatedHead, length: bytes, data: bytes) -> None:
        """Does what the parser's calls would have done, for a request that is there as a whole."""
        self.headers = known.fields(length)
        own = {"headers": self.headers, "state": self.app_state.copy(), SAME_HEAD: known}
        self.scope = cast("HTTPScope", {**known.scope, **own})
        self._length = self._body_bytes = int(length)
        self._head_bytes = self._framing_bytes = 0
        self._head_cost = known.cost
        self._is_head_only = False
        self._holds.begin()
        self._idle_since = None
        whole = asyncio.Event()
        whole.set()
        self.cycle = cycle = RequestResponseCycle(
            scope=self.scope,
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=self.access_log,
            default_headers=self.server_state.default_headers,
            message_event=whole,
            expect_100_continue=False,
            keep_alive=True,
            on_response=self.on_response_complete,
        )
        if self._length:
            cycle.body += data[-self._length :]
        cycle.more_body = False
        self._start_asgi_task(cycle, self.app)
        self._holds.grow(known.cost + self._length, is_served=True)
