"""The numbered messages of one stream: what waits for the client, and the tail of what it may have missed."""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable
from typing import Final, NamedTuple, TypeAlias

MOST_EVENTS: Final = 256
MOST_BYTES: Final = 1 << 20
MOST_BYTES_OF_ALL: Final = 64 << 20

_LARGE_PART: Final = 8
"""Who holds more than this part of the budget gives way before all others: they must not pay for it."""

_OVERHEAD_BYTES: Final = 256
"""What a message costs besides its text."""

OnDrop: TypeAlias = Callable[[], None]
"""Hears that a message which somebody waits for has been given up before the client got it."""


class _Entry(NamedTuple):
    message: bytes
    on_drop: OnDrop | None


class _Share:
    """The logs of one owner that hold something, those written to longest ago first, and their bytes."""

    __slots__ = ("logs", "used")

    def __init__(self) -> None:
        self.logs: Final[OrderedDict[EventLog, None]] = OrderedDict()
        self.used = 0


class Budget:
    """The bytes that all logs of a process hold together.

    Owners of much give way first, then those whose logs were written to longest ago.
    """

    __slots__ = ("_large", "_limit", "_shares", "dropped", "used")

    def __init__(self, limit: int = MOST_BYTES_OF_ALL) -> None:
        self._limit: Final = limit
        self._shares: Final[OrderedDict[Hashable, _Share]] = OrderedDict()
        self._large: Final[dict[Hashable, None]] = {}
        self.used = 0
        self.dropped = 0
        """Messages that gave way before a client got them, in all logs."""

    def __len__(self) -> int:
        return sum(len(share.logs) for share in self._shares.values())

    def take(self, log: "EventLog", size: int) -> None:
        """Charges a log for a message that it holds now; others, and last the log itself, give way to it."""
        share = self._shares.setdefault(log.owner, _Share())
        self._shares.move_to_end(log.owner)
        share.logs[log] = None
        share.logs.move_to_end(log)
        self.used += size
        share.used += size
        if share.used > self._limit // _LARGE_PART:
            self._large[log.owner] = None
        while self.used > self._limit and self._shares:
            oldest = self._shares[next(iter(self._large or self._shares))]
            next(iter(oldest.logs)).shed()

    def give_back(self, log: "EventLog", size: int) -> None:
        """Takes note that a log has let a message go."""
        share = self._shares[log.owner]
        self.used -= size
        share.used -= size
        if share.used <= self._limit // _LARGE_PART:
            self._large.pop(log.owner, None)
        if not len(log):
            del share.logs[log]
        if not share.logs:
            del self._shares[log.owner]


class EventLog:
    """Messages by sequence, bounded in number and bytes; a message that is larger than the bound stands alone.

    `sent` is the last sequence that has gone out to the client: what is later waits, what is earlier is kept for
    a client that lost it. The oldest messages give way, first those that went out, then those that wait; those
    with an `on_drop` last, and never silently. Holds nothing once it is closed. What the logs of one `owner` hold
    counts together.
    """

    __slots__ = ("_budget", "_bytes", "_entries", "_first", "is_closed", "last", "owner", "sent")

    def __init__(self, budget: Budget, owner: Hashable) -> None:
        self.owner: Final = owner
        self._budget: Final = budget
        self._entries: Final[dict[int, _Entry]] = {}
        self._bytes = 0
        self._first = 1
        self.last = 0
        self.sent = 0
        self.is_closed = False

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def size(self) -> int:
        """The bytes that it is charged for."""
        return self._bytes

    def append(self, message: bytes, on_drop: OnDrop | None = None) -> int:
        """Adds a message; its sequence."""
        if self.is_closed:
            if on_drop is not None:
                on_drop()
            return self.skip()
        size = len(message) + _OVERHEAD_BYTES
        while self._entries and (len(self._entries) >= MOST_EVENTS or self._bytes + size > MOST_BYTES):
            self.shed()
        self.last += 1
        self._entries[self.last] = _Entry(message, on_drop)
        self._bytes += size
        sequence = self.last
        self._budget.take(self, size)
        return sequence

    def skip(self) -> int:
        """A sequence of its own for an event that is not worth keeping."""
        self.last += 1
        return self.last

    def _held(self, start: int) -> Iterable[int]:
        """The sequences from one on that may be held, in order; never many more than are.

        A client that opens its stream again and again leaves any number of sequences that hold nothing.
        """
        start = max(start, self._first)
        return range(start, self.last + 1) if self.last - start < MOST_EVENTS else tuple(self._entries)

    def next_after(self, sequence: int) -> tuple[int, bytes] | None:
        """The first message that is later than a sequence and still held; None where there is none."""
        for later in self._held(sequence + 1):
            entry = self._entries.get(later)
            if entry is not None and later > sequence:
                return later, entry.message
        return None

    def waits(self, message: bytes) -> int | None:
        """The sequence of an equal message that has not gone out yet."""
        for sequence in self._held(self.sent + 1):
            entry = self._entries.get(sequence)
            if entry is not None and sequence > self.sent and entry.message == message:
                return sequence
        return None

    def discard(self, sequence: int) -> bool:
        """Takes a message out, without a word to its `on_drop`; whether the client has not been given it."""
        return self._remove(sequence) is not None and sequence > self.sent

    def shed(self) -> None:
        """Gives up the message that is worth least."""
        sequence = self._least()
        entry = None if sequence is None else self._remove(sequence)
        if sequence is not None and entry is not None and sequence > self.sent:
            self._budget.dropped += 1
            if entry.on_drop is not None:
                entry.on_drop()

    def close(self) -> None:
        """Gives up everything, and whatever comes."""
        self.is_closed = True
        while self._entries:
            self.shed()

    def _least(self) -> int | None:
        """The oldest message that nobody waits for, else the oldest."""
        oldest = None
        for sequence, entry in self._entries.items():
            if sequence <= self.sent or entry.on_drop is None:
                return sequence
            oldest = sequence if oldest is None else oldest
        return oldest

    def _remove(self, sequence: int) -> _Entry | None:
        entry = self._entries.pop(sequence, None)
        if entry is None:
            return None
        if sequence == self._first:
            self._first = next(iter(self._entries), self.last + 1)
        size = len(entry.message) + _OVERHEAD_BYTES
        self._bytes -= size
        self._budget.give_back(self, size)
        return entry
