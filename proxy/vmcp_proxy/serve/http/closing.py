"""Connections that nobody uses are closed, though not upon a request that has come and waits to be read."""

import asyncio
import select
from abc import abstractmethod
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

_LOOK_SECONDS: Final = 0.05
_LOOKS: Final = 20
"""How often a connection is looked at before it is closed, where something comes and is no whole head."""
_NEW_SECONDS: Final = 0.5
"""How long the first request of a connection that has just been opened may be on its way."""


def has_input(transport: Any) -> bool:
    """Whether bytes, or the end of the stream, have come that the event loop has not read yet."""
    waiting = select.poll()
    waiting.register(transport.get_extra_info("socket").fileno(), select.POLLIN)
    return bool(waiting.poll(0))


class ClosesUnused(HttpToolsProtocol):
    """The part of a connection that closes it between two requests.

    A client sends its next request without knowing that the server is about to close, and would have no answer to it
    (RFC 9112 section 9.6). Where the loop was busy, that request is there already, and whoever has just connected is
    about to send one. What is still on its way is lost: such a client finds the connection closed and may ask again.
    """

    _idle_since: float | None = None
    _served: RequestResponseCycle | None = None
    _made_at = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._made_at = self.loop.time()

    def is_unused(self, now: float) -> bool:
        """Whether no request has come for longer than the keep-alive time; `now` in loop time."""
        since = self._idle_since
        return since is not None and now - since > self.timeout_keep_alive and not has_input(self.transport)

    def shutdown(self) -> None:
        """Has the answer that is being given be the last one; without one, closes unless a request is there."""
        self._close_unused(_LOOKS)

    @property
    @abstractmethod
    def is_waiting(self) -> bool:
        """Whether no request is being answered."""

    @property
    @abstractmethod
    def is_reading(self) -> bool:
        """Whether a request has begun to come and is not whole."""

    @property
    def _is_new(self) -> bool:
        return self._served is None and self.loop.time() - self._made_at < _NEW_SECONDS

    def _close_unused(self, looks: int) -> None:
        if self.transport.is_closing():
            return
        if looks and self.is_waiting and (self._is_new or self.is_reading or has_input(self.transport)):
            self.loop.call_later(_LOOK_SECONDS, self._close_unused, looks - 1)
        else:
            super().shutdown()
