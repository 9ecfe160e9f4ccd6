"""Finds texts in which characters are escaped, as writers of JSON, HTML and URLs do, each in a way of its own."""

import re
import sys
from bisect import bisect_right
from collections.abc import Collection, Iterator
from typing import Final, NamedTuple

_MARKS: Final = ("\\", "&", "%")
"""What each escape begins with."""

_ESCAPE: Final = re.compile(
    r"""\\{1,15}(?:
        u(?P<high>d[89ab][0-9a-f]{2})\\{1,15}u(?P<low>d[c-f][0-9a-f]{2})    # JSON, and JSON in JSON
        | u(?P<unit>[0-9a-f]{4})
        | x(?P<byte>[0-9a-f]{2})                                            # JavaScript
        )?                                                                  # \", \/ and others: the character follows
    | &(?:\#(?P<decimal>\d{1,7})|\#x(?P<hexadecimal>[0-9a-f]{1,6})|(?P<name>amp|lt|gt|quot|apos));
    | (?P<octets>%[0-7][0-9a-f]|%[c-f][0-9a-f](?:%[89ab][0-9a-f]){1,3})
    """,
    re.IGNORECASE | re.VERBOSE,
)
_NAMED: Final = {"amp": "&", "lt": "<", "gt": ">", "quot": '"', "apos": "'"}
_NEVER_ESCAPED: Final = re.compile(r"[A-Za-z0-9]+")


class Unescaped:
    """A text with its escapes read; backslashes that only say that a character follows are left out.

    `places` tells where something stands in the text as it was written.
    """

    __slots__ = ("_marks", "_written", "text")

    def __init__(self, written: str) -> None:
        parts: list[str] = []
        self._marks: Final[list[int]] = []
        self._written: Final[list[tuple[int, int, int]]] = []
        end = length = 0
        for found in _ESCAPE.finditer(written):
            character = _character(found)
            parts += (written[end : found.start()], character)
            length += found.start() - end
            self._marks.append(length)
            self._written.append((found.start(), found.end(), len(character)))
            length += len(character)
            end = found.end()
        self.text: Final = "".join((*parts, written[end:]))

    def places(self, plain: str) -> Iterator[tuple[int, int]]:
        """Where a text without escapes begins and ends."""
        start = self.text.find(plain)
        while start >= 0:
            yield self._place(start)[0], self._place(start + len(plain) - 1)[1]
            start = self.text.find(plain, start + 1)

    def _place(self, index: int) -> tuple[int, int]:
        """Where one character begins and ends as it was written."""
        before = bisect_right(self._marks, index) - 1
        if before < 0:
            return index, index + 1
        start, end, width = self._written[before]
        beyond = index - self._marks[before] - width
        return (start, end) if beyond < 0 else (end + beyond, end + beyond + 1)


class Sought(NamedTuple):
    """A text without escapes that is looked for; `anchor` is a part of the secret that nobody escapes."""

    anchor: str
    text: str

    @classmethod
    def forms_of(cls, text: str) -> "Iterator[Sought]":
        """What to look for where escapes were read; nothing for a text in which no writer escapes a character."""
        if _NEVER_ESCAPED.fullmatch(text) is None:
            anchor = max(_NEVER_ESCAPED.findall(text), key=len, default="")
            # What itself looks like an escape may have been escaped, or have been left as it is.
            for each in {text, Unescaped(text).text}:
                yield cls(anchor, each)


def find_escaped(text: str, sought: Collection[Sought]) -> Iterator[tuple[int, int]]:
    """Where texts that are without escapes stand in one that may have some."""
    if not sought or not any(mark in text for mark in _MARKS):
        return
    found = [each for each in sought if each.anchor in text]
    if found:
        read = Unescaped(text)
        for each in found:
            yield from read.places(each.text)


def _character(found: "re.Match[str]") -> str:
    """What an escape stands for; nothing where the character follows, as it does behind a backslash."""
    if octets := found["octets"]:
        return bytes.fromhex(octets.replace("%", "")).decode("utf-8", "replace")[:1]
    if high := found["high"]:
        pair = ((int(high, 16) - 0xD800) << 10) + int(found["low"], 16) - 0xDC00
        return chr(0x10000 + pair)
    if name := found["name"]:
        return _NAMED[name.lower()]
    if decimal := found["decimal"]:
        return _chr(int(decimal))
    hexadecimal = found["unit"] or found["byte"] or found["hexadecimal"]
    return _chr(int(hexadecimal, 16)) if hexadecimal else ""


def _chr(number: int) -> str:
    return chr(number) if number <= sys.maxunicode else "\ufffd"
