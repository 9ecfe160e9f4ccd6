"""The response that a caller holds."""

from collections.abc import AsyncIterator, Callable
from typing import Protocol

from vmcp_proxy.http_client.errors import ResponseTooLarge
from vmcp_proxy.http_client.reader import Message


class Source(Protocol):
    """Where the rest of a body comes from: the connection, until the response is complete."""

    async def wait_for_part(self, message: Message, idle_timeout: float | None) -> None:
        """Wait until some of the body is buffered or it has ended."""

    async def wait_until(self, message: Message, take: Callable[[], bool]) -> bool:
        """Wait until ``take``, called after each read, says that it is enough, or the end; whether it has said so."""

    async def wait_for_end(self, message: Message, max_bytes: int, seconds: float, *, is_reserved: bool) -> None:
        """Wait until the whole body is buffered; ResponseTooLarge as soon as it cannot fit."""

    def settle(self, message: Message) -> None:
        """Keep the connection if the rest of this message is short and arrives soon; close it otherwise."""

    def abandon(self, message: Message) -> None:
        """Close the connection if it still carries this message."""


class Response(Message):
    """Status and headers, and a body that is read whole or in chunks, by one task.

    A body that has arrived needs no more from its connection. One that has not holds it: read to the end or
    ``aclose``.
    """

    __slots__ = ("_source",)

    def __init__(self, source: Source) -> None:
        super().__init__()
        self._source = source

    async def read(
        self,
        max_bytes: int,
        *,
        timeout: float,  # noqa: ASYNC109 - the connection's timer
        is_reserved: bool = False,
    ) -> bytes:
        """Return the whole body, or what ``chunks`` has left of it.

        ResponseTooLarge above ``max_bytes``, from the declared length where there is one; never truncates.
        Timeout after ``timeout`` seconds. Where memory for all of the declared length ``is_reserved``, it is taken at
        once, and nothing of the body may have been taken before: each byte is then copied once, not three times.
        """
        if not self.complete:
            try:
                await self._source.wait_for_end(self, max_bytes, timeout, is_reserved=is_reserved)
            except BaseException:
                # The error's traceback holds this response until the garbage is collected: not the bytes, too.
                self.take_nothing()
                raise
        if self.size > max_bytes:
            raise ResponseTooLarge(max_bytes)
        if self.filler is not None:
            self.parts, self.filler = [self.filler.whole()], None
        if len(self.parts) != 1:
            self.parts = [b"".join(self.parts)]
        return self.parts[0]

    async def chunks(self, *, idle_timeout: float | None) -> AsyncIterator[bytes]:
        """Yield body bytes as they arrive, never empty; see ``part``."""
        while part := await self.part(idle_timeout=idle_timeout):
            yield part

    async def part(self, *, idle_timeout: float | None) -> bytes:
        """Return body bytes as soon as there are some, nothing at the end; waits ``idle_timeout`` seconds at most.

        While nobody asks, the peer is held back after 64 KiB.
        """
        while not self.size and not self.complete:
            await self._source.wait_for_part(self, idle_timeout)
        return self.take()

    async def gather(self, take: Callable[[], bool]) -> None:
        """Have ``take`` read what arrives, as it arrives, until it returns True or has read the end; no time bounds it.

        It is called within the connection's own turn, which spares a task for each read, and must not raise.
        """
        while not take() and not self.complete:
            if await self._source.wait_until(self, take):
                return

    def take_parts(self) -> list[bytes]:
        """Return the body bytes that have arrived and were not taken yet, as they came."""
        parts, self.parts, self.size = self.parts, [], 0
        return parts

    def take(self) -> bytes:
        """Return the body bytes that have arrived and were not taken yet, without waiting."""
        parts = self.take_parts()
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def take_nothing(self) -> None:
        """Forget the body bytes that have arrived."""
        self.parts, self.filler, self.size = [], None, 0

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self.chunks(idle_timeout=None)

    def settle(self) -> None:
        """Let go of a response that has said all that matters; nothing more may be read from it.

        Its connection is kept if the end of the body follows at once.
        """
        if not self.complete:
            self._source.settle(self)

    def abandon(self) -> None:
        """Let go of the response; a body that has not arrived closes its connection, and its reader gets PoolClosed."""
        if not self.complete:
            self._source.abandon(self)

    async def aclose(self) -> None:
        """See ``abandon``."""
        self.abandon()

    def __repr__(self) -> str:
        state = "complete" if self.complete else "open" if self.has_head else "expected"
        return f"<Response {self.status}, {state}, {self.size} bytes buffered>"
