"""The rest of a body of known length, read where it stays: past the parser, and without a copy for each layer."""

import asyncio
import io
from collections.abc import Callable, Iterable
from typing import Final


class BodyFiller(asyncio.BufferedProtocol):
    """Takes the place of a connection's protocol until the body is whole, which ``done`` is told.

    All of the body's memory is taken at once: for callers that have reserved it.
    """

    __slots__ = ("_body", "_done", "_filled", "_protocol", "_view")

    def __init__(
        self, length: int, begun: Iterable[bytes], protocol: asyncio.Protocol, done: Callable[[], None]
    ) -> None:
        self._body: Final = io.BytesIO(bytes(length))
        self._view = self._body.getbuffer()
        self._protocol: Final = protocol
        self._done: Callable[[], None] | None = done
        self._filled = 0
        for part in begun:
            self._view[self._filled : self._filled + len(part)] = part
            self._filled += len(part)

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - what remains is read at once
        return self._view[self._filled :]

    def buffer_updated(self, nbytes: int) -> None:
        self._filled += nbytes
        if self._filled == len(self._view) and (done := self._done) is not None:
            self._done = None  # it knows the response
            done()

    def whole(self) -> bytes:
        """Return the body, once and in a later turn than ``done``: in that one the transport still has a hand on it.

        They are the bytes that were filled: CPython copies them only while somebody may write. Nothing is held of them
        afterwards, for uvloop keeps methods of this object until the connection ends.
        """
        self._view.release()
        body = self._body.getvalue()
        self._body.close()
        return body

    def eof_received(self) -> bool | None:
        return self._protocol.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self._protocol.connection_lost(exc)
