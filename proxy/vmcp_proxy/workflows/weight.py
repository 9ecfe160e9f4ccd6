"""What values take in memory, so that nothing is held, or decoded, that a workflow may not have."""

import re
import sys
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from vmcp_api.templates import Budget, TemplateError
from vmcp_api.templates.decoding import RangeError, load_json

_VALUE_BYTES: Final = 64
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


def weight_of(raw: bytes | msgspec.Raw) -> int:
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
    return _VALUE_BYTES * marks + (view.nbytes if is_plain else _weight_of_texts(view))


def _weight_of_texts(view: memoryview) -> int:
    """Bytes of all characters: those of a part are as wide as the widest one of any text that it has a piece of."""
    parts = [_Part.of(view, start) for start in range(0, view.nbytes, _PART)]
    before = _reaching(parts)
    after = reversed(_reaching(reversed(parts)))
    widths = map(max, before, after)
    return sum(part.bytes + width * part.characters for part, width in zip(parts, widths, strict=True))


class _Part(msgspec.Struct, frozen=True, gc=False):
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


def weight_of_values(value: object, most: int) -> int:
    """Bytes that values take, counted up to a little more than `most`."""
    weight, left = 0, [value]
    while left and weight <= most:
        each = left.pop()
        weight += _VALUE_BYTES
        if isinstance(each, str):
            weight += _weight_of_text(each)
        elif isinstance(each, (dict, Mapping)):
            weight += sum(map(_weight_of_text, each))
            left.extend(each.values())
        elif isinstance(each, list | tuple):
            left.extend(each)
    return min(weight, most + 1)


def _weight_of_text(text: str) -> int:
    """What it takes, and what its UTF-8 takes that is kept beside it once it is written."""
    return len(text) if text.isascii() else 2 * sys.getsizeof(text)


def decode_json(raw: bytes | msgspec.Raw) -> Any:
    """JSON of anybody's as values; also what only lenient readers take, such as half a surrogate pair.

    Raises:
        RangeError: it holds a number that is too large.
        ValueError, RecursionError: it is no JSON.
    """
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return load_json(bytes(raw))


def read_json(text: str, budget: Budget) -> Any:
    """What a JSON text says that came as a value; None where it is none.

    Raises:
        TemplateError: it holds a number that is too large, or takes more memory than the budget has.
    """
    try:
        raw = text.encode()
        budget.decode(weight_of(raw))
        return decode_json(raw)
    except RangeError as error:
        raise TemplateError(f"a JSON text holds {error}") from None
    except (ValueError, RecursionError):
        return None
