"""Server-sent events: an incremental parser and the encoder (WHATWG HTML, section 9.2)."""

from dataclasses import dataclass
from typing import Final

KEEP_ALIVE: Final = b": keep-alive\n\n"


@dataclass(frozen=True, slots=True)
class Event:
    """One dispatched event; `data` is the joined data lines, `id` and `retry` as the stream said."""

    data: bytes
    event: str = "message"
    id: str | None = None
    retry: int | None = None


class EventTooLargeError(ValueError):
    """An event, or one line of it, is larger than the bound."""


class SseParser:
    """Turns chunks of any size into events; lines may end in LF, CRLF or CR.

    Holds at most `max_event_bytes` of unfinished event.
    """

    __slots__ = (
        "_buffer",
        "_data",
        "_event",
        "_id",
        "_limit",
        "_retry",
        "_scanned",
        "_size",
        "_skip_lf",
        "_started",
    )

    def __init__(self, max_event_bytes: int) -> None:
        self._limit = max_event_bytes
        self._buffer = bytearray()
        self._scanned = 0
        self._skip_lf = False
        self._started = False
        self._data: list[bytes] = []
        self._size = 0
        self._event = ""
        self._id: str | None = None
        self._retry: int | None = None

    def feed(self, chunk: bytes) -> list[Event]:
        """The events that this chunk completes.

        Raises:
            EventTooLargeError: the bound is passed; the parser is of no use any more.
        """
        if self._skip_lf and chunk:
            self._skip_lf = False
            if chunk[:1] == b"\n":
                chunk = chunk[1:]
        self._buffer += chunk
        events: list[Event] = []
        while (line := self._next_line()) is not None:
            self._take(line, events)
        if len(self._buffer) + self._size > self._limit:
            raise EventTooLargeError(f"an event is larger than {self._limit} bytes")
        return events

    def _next_line(self) -> bytes | None:
        buffer = self._buffer
        lf = buffer.find(b"\n", self._scanned)
        cr = buffer.find(b"\r", self._scanned, lf if lf >= 0 else len(buffer))
        end = cr if cr >= 0 else lf
        if end < 0:
            self._scanned = len(buffer)
            return None
        line = bytes(buffer[:end])
        after = end + 1
        if cr >= 0:
            if after == len(buffer):
                self._skip_lf = True
            elif buffer[after : after + 1] == b"\n":
                after += 1
        del buffer[:after]
        self._scanned = 0
        if not self._started:
            self._started = True
            line = line.removeprefix(b"\xef\xbb\xbf")
        return line

    def _take(self, line: bytes, events: list[Event]) -> None:
        if not line:
            self._dispatch(events)
            return
        name, _, value = line.partition(b":")
        if value[:1] == b" ":
            value = value[1:]
        if name == b"data":
            self._data.append(value)
            self._size += len(value) + 1
            if self._size > self._limit:
                raise EventTooLargeError(f"an event is larger than {self._limit} bytes")
        elif name == b"event":
            self._event = value.decode("utf-8", "replace")
        elif name == b"id" and b"\0" not in value:
            self._id = value.decode("utf-8", "replace")
        elif name == b"retry" and value.isdigit() and len(value) < 10:  # noqa: PLR2004 - ten digits are 115 days
            self._retry = int(value)

    def _dispatch(self, events: list[Event]) -> None:
        if self._data or self._id is not None or self._retry is not None:
            data = self._data[0] if len(self._data) == 1 else b"\n".join(self._data)
            events.append(Event(data, self._event or "message", self._id, self._retry))
        self._data = []
        self._size = 0
        self._event = ""
        self._id = None
        self._retry = None


def encode_event(message: bytes) -> bytes:
    """One message as an event; line breaks in JSON are white space between tokens and become blanks."""
    if b"\n" in message or b"\r" in message:
        message = message.replace(b"\r", b" ").replace(b"\n", b" ")
    return b"".join((b"event: message\ndata: ", message, b"\n\n"))
