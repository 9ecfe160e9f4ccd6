"""What JSON takes in memory once it is decoded, told before it is."""

import re
from collections.abc import Iterable
from typing import Final, NamedTuple

VALUE_BYTES: Final = 64
"""Of each value beside its characters: an object's head, and the place where it is referred to."""

_PART: Final = 8 << 10
"""Bytes that are looked at at once, so that nothing as large as the text itself is made of it."""

_REST_OF_ESCAPE: Final = 5
_ESCAPE: Final = re.compile(rb"\\u")
_WIDE_ESCAPE: Final = re.compile(rb"\\u(?!00)")
_PAIR_ESCAPE: Final = re.compile(rb"\\u[dD][89abAB]")
_DELIMITER: Final = re.compile(rb'[^\\]"')
_FOLLOWING: Final = bytes(range(0x80, 0xC0))
_TO_FF: Final = bytes(range(0xC4))
_TO_FFFF: Final = bytes(range(0xF0))
"""The bytes of UTF-8 that no character has beyond U+00FF, or U+FFFF, as its first one."""


def weight_of_json(raw: bytes | memoryview) -> int:
    """Bytes that raw JSON may take once it is decoded; `[[],[],…]` takes twenty times its own.

    All characters of a text take as much as its widest one: one emoji makes them four bytes each (PEP 393). A text that
    is not ASCII keeps its UTF-8 beside that, once it has been written.
    """
    view = memoryview(raw)
    is_plain, marks = _ESCAPE.search(view) is None, 0
    for start in range(0, view.nbytes, _PART):
        part = bytes(view[start : start + _PART])
        marks += part.count(b",") + part.count(b"[") + part.count(b"{")
        is_plain = is_plain and part.isascii()
    return VALUE_BYTES * marks + (view.nbytes if is_plain else _weight_of_texts(view))


def _weight_of_texts(view: memoryview) -> int:
    """Bytes of all characters: those of a part are as wide as the widest one of any text that it has a piece of."""
    parts = [_Part.of(view, start) for start in range(0, view.nbytes, _PART)]
    before = _reaching(parts)
    after = reversed(_reaching(reversed(parts)))
    widths = map(max, before, after)
    return sum(part.bytes + width * part.characters for part, width in zip(parts, widths, strict=True))


class _Part(NamedTuple):
    """A part of a JSON text; `width` is 0 where all is ASCII, `ends_text` where a text certainly begins or ends."""

    bytes: int
    characters: int
    width: int
    ends_text: bool

    @classmethod
    def of(cls, view: memoryview, start: int) -> "_Part":
        """The part that begins here, and escapes that begin in it."""
        part = bytes(view[start : start + _PART])
        firsts = part if part.isascii() else part.translate(None, _FOLLOWING)
        width = max(_width(firsts), _width_of_escapes(bytes(view[start : start + _PART + _REST_OF_ESCAPE])))
        return cls(len(part), len(firsts), width, b'"' in part and _DELIMITER.search(part) is not None)


def _reaching(parts: Iterable[_Part]) -> list[int]:
    """The width of each part and of those before it that a text may reach it from."""
    widths, carried = [], 0
    for part in parts:
        widths.append(max(part.width, carried))
        carried = part.width if part.ends_text else widths[-1]
    return widths


def _width(firsts: bytes) -> int:
    """Bytes that the widest of these characters takes; 0 where all are ASCII, and nothing is kept beside them."""
    if firsts.isascii():
        return 0
    if firsts.translate(None, _TO_FFFF):
        return 4
    return 2 if firsts.translate(None, _TO_FF) else 1


def _width_of_escapes(part: bytes) -> int:
    if _ESCAPE.search(part) is None:
        return 0
    if _PAIR_ESCAPE.search(part):
        return 4
    return 2 if _WIDE_ESCAPE.search(part) else 1
