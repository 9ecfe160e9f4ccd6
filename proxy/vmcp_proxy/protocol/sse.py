"""Server-sent events: an incremental parser and the encoder (WHATWG HTML, section 9.2)."""

from dataclasses import dataclass
from typing import Final, TypeAlias

Pieces: TypeAlias = bytes | tuple[bytes | memoryview, ...]
"""What is sent one after the other; in pieces where a copy of it would be large."""

KEEP_ALIVE: Final = b": keep-alive\n"
"""A comment without a blank line, upon which some clients would dispatch an event of the last id without data."""

RETRY_MILLISECONDS: Final = 1000
"""How long clients are asked to wait before they come back."""

RETRY: Final = b"retry: %d\n\n" % RETRY_MILLISECONDS

_DATA: Final = b"data: "
_APART_BYTES: Final = 64 << 10
"""From here on the text of an event is not copied between what stands around it."""

_ONE_MESSAGE: Final = ((b"event: message\ndata: ", b"\n\n"), (b"event: message\r\ndata: ", b"\r\n\r\n"))
"""What stands around an event of one line, as the SDKs of MCP write it."""

_SMALL: Final = 4096
"""Pieces of a line up to this size are gathered, or a line that comes byte by byte would cost a multiple of itself."""


@dataclass(frozen=True, slots=True)
class Event:
    """One dispatched event; `data` is the joined data lines, `id` and `retry` (milliseconds) as the stream said.

    An event with an id and without data marks a place in the stream. An empty id takes the last one back.
    """

    data: bytes
    event: str = "message"
    id: bytes | None = None
    retry: int | None = None


class EventTooLargeError(ValueError):
    """An event, or one line of it, is larger than the bound."""


class SseParser:
    """Turns chunks of any size into events; lines may end in LF, CRLF or CR.

    Holds at most `max_event_bytes` of unfinished event.
    """

    __slots__ = ("_data", "_event", "_held", "_held_size", "_id", "_limit", "_retry", "_size", "_skip_lf", "_started")

    def __init__(self, max_event_bytes: int) -> None:
        self._limit = max_event_bytes
        self._skip_lf = False
        self._started = False
        self.forget()
        self._event = ""
        self._id: bytes | None = None
        self._retry: int | None = None

    def forget(self) -> None:
        """Drops the unfinished event; whoever holds the parser, such as an error's traceback, holds no more of it."""
        self._held: list[bytes | bytearray] = []
        self._held_size = 0
        self._data: list[bytes] = []
        self._size = 0

    @property
    def held(self) -> int:
        """Bytes of the unfinished event."""
        return self._held_size + self._size

    def feed(self, chunk: bytes) -> list[Event]:
        """The events that this chunk completes.

        Raises:
            EventTooLargeError: the bound is passed; the parser is of no use any more.
        """
        start = 1 if self._skip_lf and chunk[:1] == b"\n" else 0
        self._skip_lf = self._skip_lf and not chunk
        events: list[Event] = []
        # Each search goes on where it has ended, so that all of them together look at each byte once.
        lf, cr = chunk.find(b"\n", start), chunk.find(b"\r", start)
        while lf >= 0 or cr >= 0:
            end = lf if cr < 0 or 0 <= lf < cr else cr
            self._end_line(chunk, start, end, events)
            start = end + 1
            if end == cr:
                if start == len(chunk):
                    self._skip_lf = True
                elif start == lf:
                    start += 1
                cr = chunk.find(b"\r", start)
            if 0 <= lf < start:
                lf = chunk.find(b"\n", start)
        self._hold(chunk[start:])
        if self._held_size + self._size > self._limit:
            raise EventTooLargeError(f"an event is larger than {self._limit} bytes")
        return events

    def _hold(self, piece: bytes) -> None:
        """Keeps the beginning of a line: large pieces as they are, small ones together."""
        self._held_size += len(piece)
        last = self._held[-1] if self._held else None
        if isinstance(last, bytearray) and len(last) < _SMALL:
            last += piece
        elif piece:
            self._held.append(piece if len(piece) > _SMALL else bytearray(piece))

    def _end_line(self, chunk: bytes, start: int, end: int, events: list[Event]) -> None:
        held = self._held
        is_data = held[0].startswith(_DATA) if held else chunk.startswith(_DATA, start, end)
        if is_data:
            # Nearly all of a stream is in such lines: their text is copied once, without the name.
            self._started = True
            text = chunk[start + len(_DATA) : end] if not held else _joined(held, len(_DATA), chunk[start:end])
            self._add(text)
        else:
            line = chunk[start:end] if not held else _joined(held, 0, chunk[start:end])
            if not self._started:
                self._started = True
                line = line.removeprefix(b"\xef\xbb\xbf")
            self._take(line, events)
        if held:
            self._held = []
            self._held_size = 0

    def _take(self, line: bytes, events: list[Event]) -> None:
        if not line:
            self._dispatch(events)
            return
        name, _, value = line.partition(b":")
        if value[:1] == b" ":
            value = value[1:]
        if name == b"data":
            self._add(value)
        elif name == b"event":
            self._event = value.decode("utf-8", "replace")
        elif name == b"id" and b"\0" not in value:
            self._id = value
        elif name == b"retry" and value.isdigit() and len(value) < 10:  # noqa: PLR2004 - ten digits are 115 days
            self._retry = int(value)

    def _add(self, text: bytes) -> None:
        self._data.append(text)
        self._size += len(text) + 1
        if self._size > self._limit:
            raise EventTooLargeError(f"an event is larger than {self._limit} bytes")

    def _dispatch(self, events: list[Event]) -> None:
        if self._data or self._id is not None or self._retry is not None:
            data = self._data[0] if len(self._data) == 1 else b"\n".join(self._data)
            events.append(Event(data, self._event or "message", self._id, self._retry))
        self._data = []
        self._size = 0
        self._event = ""
        self._id = None
        self._retry = None


def only_event(text: bytes) -> bytes | None:
    """The data of the one event that this is, as most servers write one; else None, for `SseParser` to read."""
    for before, behind in _ONE_MESSAGE:
        if text.startswith(before) and text.endswith(behind):
            data = text[len(before) : -len(behind)]
            return None if b"\n" in data or b"\r" in data else data
    return None


def _joined(held: list[bytes | bytearray], start: int, last: bytes) -> bytes:
    """A line without its first bytes; the first piece has at least that many."""
    first, *rest = held
    return b"".join((memoryview(first)[start:], *rest, last))


def encode_event(message: bytes, event_id: bytes = b"") -> Pieces:
    """One message as an event, with its id where it has one; in pieces where the message is large.

    Line breaks in JSON are white space between tokens and become blanks.
    """
    if b"\n" in message or b"\r" in message:
        message = message.replace(b"\r", b" ").replace(b"\n", b" ")
    pieces: tuple[bytes, ...]
    if event_id:
        pieces = (b"id: ", event_id, b"\nevent: message\ndata: ", message, b"\n\n")
    else:
        pieces = (b"event: message\ndata: ", message, b"\n\n")
    return b"".join(pieces) if len(message) < _APART_BYTES else pieces


def encode_priming(event_id: bytes) -> bytes:
    """An event without data: from here a client can resume (MCP 2025-11-25, Sending Messages to the Server)."""
    return b"id: %b\nretry: %d\ndata: \n\n" % (event_id, RETRY_MILLISECONDS)
