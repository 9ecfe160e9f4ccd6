"""Content of requests and answers for the audit: secrets masked, cut to a size, and JSON all the same.

It works on the beginning of a text alone, so that a result of any size costs what a small one costs.
"""

import contextlib
import json
import re
from enum import Enum
from typing import Final

from vmcp_proxy.observability.audit.secrets import Hide, is_secret_name
from vmcp_proxy.observability.masking import MASK

SLACK: Final = 8 << 10
"""Bytes that are looked at beyond those that are written: a secret that begins before the cut is masked as a whole."""

_DEEPEST: Final = 4
"""JSON in texts in JSON that is looked into; deeper ones are texts."""

_TOKEN: Final = re.compile(
    r'[ \t\r\n]*+(?:(?P<text>"(?:[^"\\\x00-\x1f]++|\\.)*+")|(?P<mark>[\[\]{},:])|(?P<atom>[-+.\w]++))', re.DOTALL
)
_ATOM: Final = re.compile(r"true|false|null|-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?(?:[eE][-+]?[0-9]++)?")
_BROKEN_ESCAPE: Final = re.compile(r"(?:\\u[0-9a-fA-F]{0,3}|\\)\Z")
_CUT: Final = "…"
_LEAST_TEXT: Final = 16
"""Characters of a text that are worth beginning with."""


def clip(text: str, most: int, hide: Hide, *, is_whole: bool) -> tuple[bytes, bool] | None:
    """The JSON value that a text begins with, as JSON of at most `most` bytes; and whether something was cut.

    `is_whole` says that nothing was cut off the end of the text before. None where it begins with no JSON.
    """
    clipper = _Clipper(text, max(most, _LEAST_BYTES), hide, is_whole=is_whole)
    try:
        clipper.run()
    except _NoJsonError:
        return None
    return "".join(clipper.out).encode("utf-8", "replace"), clipper.is_cut


def holds_secret(text: str, hide: Hide) -> bool:
    """Whether something of a whole JSON value would be hidden; also where it is no JSON, and so cannot be judged."""
    reader = _Clipper(text, _NO_BOUND, hide, is_whole=True)
    try:
        reader.run()
    except _NoJsonError:
        return True
    return reader.is_masked


_LEAST_BYTES: Final = 8
_NO_BOUND: Final = 1 << 40


class _Expects(Enum):
    """What may come next."""

    VALUE = "value"
    VALUE_OR_END = "value or end"
    NAME = "name"
    NAME_OR_END = "name or end"
    COLON = "colon"
    NEXT = "comma or end"


_ENDS: Final = frozenset({_Expects.VALUE_OR_END, _Expects.NAME_OR_END, _Expects.NEXT})
_VALUES: Final = frozenset({_Expects.VALUE, _Expects.VALUE_OR_END})
_NAMES: Final = frozenset({_Expects.NAME, _Expects.NAME_OR_END})


class _NoJsonError(Exception):
    pass


_PAIR_NAMES: Final = frozenset({"name", "key", "field", "header", "param", "parameter", "variable", "label"})
_PAIR_VALUES: Final = frozenset({"value", "val", "values"})


class _Pair:
    """What an open object may be beside itself: a name and its value (`{"name": "password", "value": "..."}`).

    `value` is where a value stands whose name is not known yet: its part of what is written, and where in that.
    """

    __slots__ = ("is_secret", "member", "value")

    def __init__(self) -> None:
        self.member = ""
        self.is_secret = False
        self.value: tuple[int, int] | None = None


class _Clipper:
    """Copies tokens until the room is used up, and closes what is open then; `end` is where the value ended."""

    def __init__(self, text: str, most: int, hide: Hide, *, is_whole: bool, depth: int = 0) -> None:
        self._text = text
        self._left = most
        self._hide = hide
        self._is_whole = is_whole
        self._depth = depth
        self._open: list[str] = []
        self._pairs: list[_Pair] = []
        self._pending = ""
        self._expects = _Expects.VALUE
        self._is_secret = False
        self._skipped = 0
        self._names: dict[str, tuple[str, bool]] = {}
        self.out: list[str] = []
        self.is_cut = False
        self.is_masked = False
        self.end = 0

    def run(self) -> None:
        """Raises `_NoJsonError` for what is none."""
        while not self.is_cut:
            token = _TOKEN.match(self._text, self.end)
            if token is None or (token["atom"] is not None and self._may_go_on(token.end())):
                self._run_out(self._text[self.end :].lstrip(" \t\r\n"))
                break
            self.end = token.end()
            if self._skipped:
                self._skipped += _NESTS.get(token["mark"] or "", 0)
            elif token["mark"] is not None:
                self._mark(token["mark"])
            elif token["text"] is not None:
                self._text_token(token["text"])
            else:
                self._atom(token["atom"])
            if not self._open:
                break
        self.out += reversed(self._open)

    def _may_go_on(self, end: int) -> bool:
        return end == len(self._text) and not self._is_whole

    def _run_out(self, rest: str) -> None:
        """The text is over, or it is no JSON from here on."""
        if self._is_whole or (rest and not rest.startswith('"') and len(rest) > _LONGEST_ATOM):
            raise _NoJsonError
        self.is_cut = True
        # A secret may stand at the very end, and not be known by what there is of it.
        if rest.startswith('"') and self._expects in _VALUES and not self._is_secret and len(rest) > SLACK:
            self._begin_text(self._hidden(_decode(rest[1 : -SLACK // 2]), is_whole=False))

    def _mark(self, mark: str) -> None:
        if mark in "{[":
            self._enter(mark)
        elif mark in "}]":
            if self._expects not in _ENDS or not self._open or self._open[-1] != mark:
                raise _NoJsonError
            self._pending = ""
            self.out.append(self._open.pop())
            self._pairs.pop()
            self._expects = _Expects.NEXT
        elif mark == ",":
            if self._expects is not _Expects.NEXT:
                raise _NoJsonError
            self._pending = ","
            self._expects = _Expects.NAME if self._open[-1] == "}" else _Expects.VALUE
        elif self._expects is not _Expects.COLON:
            raise _NoJsonError
        else:
            self._pending += ":"
            self._expects = _Expects.VALUE

    def _enter(self, mark: str) -> None:
        if self._expects not in _VALUES:
            raise _NoJsonError
        if self._is_secret:
            self._mask()
            self._skipped = 1
        elif not self._fits(mark + mark):
            self.is_cut = True
        else:
            self._put(mark)
            self._left -= 1
            self._open.append("}" if mark == "{" else "]")
            self._pairs.append(_Pair())
            self._expects = _Expects.NAME_OR_END if mark == "{" else _Expects.VALUE_OR_END

    def _text_token(self, token: str) -> None:
        text = _decode(token[1:-1])
        if self._expects in _NAMES:
            self._name(text, token)
        elif self._expects not in _VALUES:
            raise _NoJsonError
        elif self._is_secret:
            self._mask()
        else:
            shown = self._hidden(text)
            self.is_masked |= shown != text
            encoded = token if shown == text else _encode(shown)
            if self._fits(encoded):
                self._pair(text, len(self._pending))
                self._put(encoded)
            else:
                self._begin_text(shown.removesuffix(_CUT))

    def _name(self, text: str, token: str) -> None:
        # Names come again and again.
        known = self._names.get(text)
        if known is None:
            shown = self._hide(text)
            known = (token if shown == text else _encode(shown), is_secret_name(text))
            self._names[text] = known
            self.is_masked |= shown != text
        written, self._is_secret = known
        pair = self._pairs[-1]
        pair.member = text.lower()
        self._is_secret |= pair.is_secret and pair.member in _PAIR_VALUES
        self._pending += written
        self._expects = _Expects.COLON

    def _hidden(self, text: str, *, is_whole: bool = True) -> str:
        """A text without secrets; one that is JSON itself is read as such, as far as there is room for it."""
        # A text in quotes that goes on may be one that only begins with a quotation.
        if self._depth < _DEEPEST and text.lstrip()[:1] in (("{", "[", '"') if is_whole else ("{", "[")):
            room = max(self._left, _LEAST_BYTES)
            inner = _Clipper(text, room, self._hide, is_whole=is_whole, depth=self._depth + 1)
            with contextlib.suppress(_NoJsonError):
                inner.run()
                if inner.is_cut:
                    self.is_cut = True
                    return "".join(inner.out) + _CUT
                if not text[inner.end :].strip():
                    return "".join(inner.out) if inner.is_masked else text
        return self._hide(text)

    def _atom(self, atom: str) -> None:
        if self._expects not in _VALUES or _ATOM.fullmatch(atom) is None:
            raise _NoJsonError
        if (self._is_secret and atom not in _HARMLESS) or self._hide(atom) != atom:
            self._mask()
        else:
            self._pair(atom, len(self._pending))
            self._put(atom)

    def _pair(self, text: str, start: int) -> None:
        """Notes a value that is about to be written, for the name that may belong to it."""
        pair = self._pairs[-1] if self._pairs else None
        if pair is None or not pair.member:
            return
        if pair.member in _PAIR_VALUES:
            pair.value = (len(self.out), start)
        elif pair.member in _PAIR_NAMES and is_secret_name(text):
            pair.is_secret = True
            if pair.value is not None:
                number, at = pair.value
                self.out[number] = self.out[number][:at] + _mask_of(len(self.out[number]) - at)
                self.is_masked = True

    def _mask(self) -> None:
        self.is_masked = True
        self._put(f'"{MASK}"')

    def _fits(self, value: str) -> bool:
        return _size(self._pending) + _size(value) <= self._left

    def _put(self, value: str) -> None:
        """Writes a value, or what begins one, with what has to stand before it, if there is room."""
        if not self._fits(value):
            self.is_cut = True
            return
        self._left -= _size(self._pending) + _size(value)
        self.out.append(self._pending + value)
        self._pending = ""
        self._is_secret = False
        self._expects = _Expects.NEXT

    def _begin_text(self, text: str) -> None:
        """Writes as much of a text as there is room for."""
        room = self._left - _size(self._pending) - _size(_CUT) - 2
        if room >= _LEAST_TEXT:
            shown = text[:room]
            while shown and _size(_encode(shown)) - 2 > room:
                shown = shown[: len(shown) * 3 // 4]
            self._put(_encode(shown + _CUT))
        self.is_cut = True


_LONGEST_ATOM: Final = 1024
_HARMLESS: Final = frozenset({"true", "false", "null"})
_NESTS: Final = {"{": 1, "[": 1, "}": -1, "]": -1}


def _mask_of(length: int) -> str:
    """What stands for a value, and is no longer than it."""
    return f'"{MASK[: length - 2]}"' if length > 1 else "0"


def _size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "replace"))


def _decode(inside: str) -> str:
    """What stands between quotes, as text; of a broken end as much as there is."""
    try:
        found: str = json.loads(f'"{inside}"', strict=False)
    except ValueError:
        try:
            found = json.loads(f'"{_BROKEN_ESCAPE.sub("", inside)}"', strict=False)
        except ValueError:
            return inside
    return found


def _encode(text: str) -> str:
    # A lone surrogate can only be written as an escape.
    return json.dumps(text, ensure_ascii=not _is_sound(text))


def _is_sound(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
