"""Messages on their way to a client's own stream, from the session's beginning to its end (ADR-0026)."""

import asyncio
from typing import Final

from vmcp_proxy.clients.streaming.event_log import EventLog, OnDrop


class Outbox:
    """A log between many producers and the one connection that reads it; a new connection takes the place of the old.

    `prefix` begins the ids of its events, `number` is that of the stream. Used from one event loop only.
    """

    __slots__ = ("_log", "_reader", "number", "prefix")

    def __init__(self, number: int, prefix: bytes, log: EventLog) -> None:
        self.number: Final = number
        self.prefix: Final = prefix
        self._log: Final = log
        self._reader: Reader | None = None

    def __len__(self) -> int:
        return len(self._log)

    @property
    def is_listening(self) -> bool:
        """Whether a connection reads now."""
        return self._reader is not None

    def put(self, message: bytes, *, coalesce: bool = False, on_drop: OnDrop | None = None) -> int:
        """Adds a message, which waits until somebody reads; the ticket is for `discard`.

        With `coalesce` an equal message that waits already will do. `on_drop` is called once where the message
        has to give way before the client gets it, or the session ends: perhaps before this returns.
        """
        if coalesce and (waiting := self._log.waits(message)) is not None:
            return waiting
        ticket = self._log.append(message, on_drop)
        if self._reader is not None:
            self._reader.wake()
        return ticket

    def discard(self, ticket: int) -> bool:
        """Takes a message back, also out of the replay; True where the client has not been given it."""
        return self._log.discard(ticket)

    def waiting(self) -> tuple[int, bytes] | None:
        """The ticket and the text of the first message that no client has been given; None where there is none."""
        return self._log.next_after(self._log.sent)

    def open(self, after: int | None) -> "Reader":
        """Begins to read, after a sequence that the client names, else with what nobody has read yet.

        A sequence that has never been sent is none.
        """
        if after is not None and after <= self._log.sent:
            self._log.sent = after
        if self._reader is not None:
            self._reader.close()
        reader = self._reader = Reader(self, self._log)
        if self._log.is_closed:
            reader.close()
        return reader

    def released(self, reader: "Reader") -> None:
        """Hears that a connection has stopped reading."""
        if self._reader is reader:
            self._reader = None

    def finish(self) -> None:
        """Ends the connection that reads, after what waits for it."""
        if self._reader is not None:
            self._reader.finish()

    def close(self) -> None:
        """Ends for good, with the session."""
        self._log.close()
        if self._reader is not None:
            self._reader.close()


class Reader:
    """One connection's turn at an outbox."""

    __slots__ = ("_finishes", "_is_closed", "_log", "_outbox", "_woken")

    def __init__(self, outbox: Outbox, log: EventLog) -> None:
        self._outbox: Final = outbox
        self._log: Final = log
        self._woken: Final = asyncio.Event()
        self._finishes = False
        self._is_closed = False

    @property
    def is_closed(self) -> bool:
        """Whether another connection reads, the client has gone or the session is over."""
        return self._is_closed

    def mark(self) -> int | None:
        """A sequence for an event that only says where the stream stands; None where a message does so at once."""
        if self._is_closed or self._log.next_after(self._log.sent) is not None:
            return None
        self._log.sent = self._log.skip()
        return self._log.sent

    async def next(self) -> tuple[int, bytes] | None:
        """The next message and its sequence; None at the end."""
        while not self._is_closed:
            entry = self._log.next_after(self._log.sent)
            if entry is not None:
                self._log.sent = entry[0]
                return entry
            if self._finishes:
                break
            self._woken.clear()
            await self._woken.wait()
        return None

    def wake(self) -> None:
        """Has `next` look again."""
        self._woken.set()

    def finish(self) -> None:
        """Lets the connection read what waits, and no more."""
        self._finishes = True
        self._woken.set()

    def close(self) -> None:
        """Ends at once; what waits is for the next connection."""
        self._is_closed = True
        self._woken.set()
        self._outbox.released(self)
