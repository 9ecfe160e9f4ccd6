"""Lines of a stream of bytes, each at most as long as a message may be; pure."""

import re
from dataclasses import dataclass
from typing import Final

_END_BYTES: Final = 1024
_ID: Final = rb'(-?\d{1,300}|"[^"\\]{0,300}")'
_FIRST: Final = re.compile(rb'\s*\{\s*(?:"jsonrpc"\s*:\s*"2\.0"\s*,\s*)?"id"\s*:\s*' + _ID + rb'\s*,\s*"method"\s*:')
_METHOD: Final = re.compile(rb'\s*\{\s*"method"\s*:')
_LAST: Final = re.compile(rb',\s*"id"\s*:\s*' + _ID + rb"\s*\}\s*\Z")


@dataclass(frozen=True, slots=True)
class TooLong:
    """A line over the limit: its size in bytes, and its two ends."""

    size: int
    head: bytes
    tail: bytes

    @property
    def request_id(self) -> bytes | None:
        """The JSON text of the request's id, where an end of the line shows it beyond doubt.

        SDKs write it before `method` or as the last member; between the quotes of a string neither can stand.
        """
        found = _FIRST.match(self.head) or (_METHOD.match(self.head) and _LAST.search(self.tail))
        return found[1] if found else None


class LineBuffer:
    """Cuts chunks of any size into lines without their line breaks; holds at most `limit` bytes of one line."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._parts: list[bytes] = []
        self._size = 0
        self._head = b""
        self._tail = b""

    def feed(self, chunk: bytes) -> list[bytes | TooLong]:
        """The lines that this chunk completes, empty ones left out."""
        *complete, rest = chunk.split(b"\n")
        lines: list[bytes | TooLong] = []
        for part in complete:
            self._add(part)
            lines += self._take()
        self._add(rest)
        return lines

    def end(self) -> list[bytes | TooLong]:
        """The last line, where the stream ended without a line break."""
        return self._take()

    def _add(self, part: bytes) -> None:
        self._size += len(part)
        if self._size <= self.limit:
            self._parts.append(part)
            return
        if self._parts or not self._head:
            held = b"".join(self._parts)
            self._parts.clear()
            self._head = (held + part)[:_END_BYTES]
            self._tail = held[-_END_BYTES:]
        self._tail = (self._tail + part)[-_END_BYTES:]

    def _take(self) -> list[bytes | TooLong]:
        if self._size > self.limit:
            line: bytes | TooLong = TooLong(self._size, self._head, self._tail)
        else:
            line = b"".join(self._parts).strip(b" \t\r")
        self._parts.clear()
        self._size, self._head, self._tail = 0, b"", b""
        return [line] if line else []
