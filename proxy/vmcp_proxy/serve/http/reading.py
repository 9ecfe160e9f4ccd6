"""How a client reads what it is answered: what has room, what waits, and whether it reads at all."""

import contextlib
from collections.abc import Iterator
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from vmcp_proxy.serve.http import limits
from vmcp_proxy.serve.http.unread import UnreadAnswers


class _Room(contextlib.AbstractAsyncContextManager[None]):
    """The room of one answer."""

    __slots__ = ("_connection", "_size", "_unread")

    def __init__(self, connection: "CountsUnread", unread: UnreadAnswers, size: int) -> None:
        self._connection: Final = connection
        self._unread: Final = unread
        self._size: Final = size

    async def __aenter__(self) -> None:
        if not self._unread.try_enter(self._connection, self._size):
            await self._unread.enter(self._connection, self._size)

    async def __aexit__(self, *_: object) -> None:
        self._connection.admitted -= self._size
        self._unread.note(self._connection)


class CountsUnread(HttpToolsProtocol):
    """The part of a connection that has its long answers counted among those of all (ADR-0028)."""

    def __init__(self, *args: Any, unread: UnreadAnswers, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._unread: Final = unread
        self.admitted = self.unwritten = 0
        self._unsent = 0
        self._unsent_since = 0.0

    @property
    def unsent(self) -> int:
        """See `Client.unsent`."""
        return self.transport.get_write_buffer_size()

    def abort(self) -> None:
        """Closes the connection at once."""
        self.transport.abort()

    def room(self, size: int) -> contextlib.AbstractAsyncContextManager[None]:
        """Waits until an answer of this size has room, to be written within the block; not once the client has gone."""
        return _Room(self, self._unread, size)

    @contextlib.contextmanager
    def behind(self, size: int) -> Iterator[None]:
        """Counts what waits for its turn on this connection, in memory."""
        self.unwritten += size
        self._unread.note(self)
        try:
            yield
        finally:
            self.unwritten -= size
            self._unread.note(self)

    def resume_writing(self) -> None:
        """Hears that nearly all that was long has been taken."""
        super().resume_writing()
        self._unread.note(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._unread.leave(self)
        super().connection_lost(exc)

    def _reads_nothing(self, now: float) -> bool:
        unsent = self.unsent
        if unsent != self._unsent:
            self._unsent, self._unsent_since = unsent, now
        return unsent > 0 and now - self._unsent_since > limits.STALL_SECONDS
