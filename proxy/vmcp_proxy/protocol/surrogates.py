r"""JSON that msgspec refuses for nothing but a lone surrogate escape (RFC 8259 section 8.2), read all the same.

`JSON.stringify` writes `"\ud83d"` for a text that was cut inside an emoji. Each such escape is masked by a marker
that stands nowhere else, msgspec judges the masked text, and the escapes are put back into what it yields: the
rest of the rules of JSON, and every byte, stay as they are.
"""

import re
import secrets
from typing import Final

import msgspec

MAX_ESCAPES: Final = 100_000
"""Escapes that are looked at in one text, about 50 ms at worst; a text with more is refused as before."""

_MARKER_BYTES: Final = 4
_DIGITS: Final = 4
"""Hexadecimal digits of an escape, which stand behind the marker."""

_HINT: Final = re.compile(rb"\\u[dD][89a-fA-F]")
_ESCAPE: Final = re.compile(
    # An escaped backslash is matched to be skipped: what follows it is no escape.
    rb"\\(?:\\|u(?:([dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})|([dD][89a-fA-F][0-9a-fA-F]{2})))"
)


class Masked:
    """A text without its lone surrogates, and the way back to them."""

    __slots__ = ("_marker", "text")

    def __init__(self, text: bytes, marker: bytes) -> None:
        self.text: Final = text
        self._marker: Final = marker

    def restore(self, part: msgspec.Raw | bytes) -> msgspec.Raw:
        """A part of the text as it was written."""
        return msgspec.Raw(bytes(part).replace(self._marker, rb"\u"))

    def restore_text(self, part: str) -> str:
        """A decoded part of the text, with lone surrogates in it where some were."""
        first, *rest = part.split(self._marker.decode())
        return first + "".join(chr(int(each[:_DIGITS], 16)) + each[_DIGITS:] for each in rest)

    @property
    def replaced(self) -> bytes:
        """The whole text with a replacement character for each lone surrogate: it can be read, and written again."""
        first, *rest = self.text.split(self._marker)
        return first + b"".join(rb"\ufffd" + each[_DIGITS:] for each in rest)

    def is_in(self, part: msgspec.Raw | bytes) -> bool:
        """Whether a part of the text holds a lone surrogate."""
        return self._marker in bytes(part)


def mask(text: msgspec.Raw | bytes) -> Masked | None:
    """The text with its lone surrogate escapes masked; None where it has none."""
    raw = bytes(text)
    if _HINT.search(raw) is None:
        return None
    # It begins like nothing inside it, so that no text before it can make it begin earlier.
    marker = b"~" + secrets.token_hex(_MARKER_BYTES).encode()
    while marker in raw:
        marker = b"~" + secrets.token_hex(_MARKER_BYTES).encode()
    found = 0

    def replace(match: re.Match[bytes]) -> bytes:
        nonlocal found
        lone = match[2]
        if lone is None:
            return match[0]
        found += 1
        return marker + lone

    masked = _ESCAPE.sub(replace, raw, count=MAX_ESCAPES)
    return Masked(masked, marker) if found else None


_decode_members: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_items: Final = msgspec.json.Decoder(list[msgspec.Raw]).decode
_encode: Final = msgspec.json.encode


def decode_members(raw: msgspec.Raw | bytes) -> dict[str, msgspec.Raw]:
    """The members of an object, values raw; names may hold lone surrogates.

    Raises:
        msgspec.DecodeError: it is no object.
        UnicodeDecodeError, RecursionError: as msgspec does.
    """
    try:
        return _decode_members(raw)
    except msgspec.DecodeError:
        masked = mask(raw)
        if masked is None:
            raise
    members = _decode_members(masked.text)
    return {masked.restore_text(name): masked.restore(value) for name, value in members.items()}


def decode_items(raw: msgspec.Raw | bytes) -> list[msgspec.Raw]:
    """The entries of an array, raw.

    Raises:
        msgspec.DecodeError: it is no array.
        UnicodeDecodeError, RecursionError: as msgspec does.
    """
    try:
        return _decode_items(raw)
    except msgspec.DecodeError:
        masked = mask(raw)
        if masked is None:
            raise
    return [masked.restore(item) for item in _decode_items(masked.text)]


def encode_members(members: dict[str, msgspec.Raw]) -> bytes:
    """The object again; a name with a lone surrogate is written with its escape."""
    try:
        return _encode(members)
    except UnicodeEncodeError:
        return b"{" + b",".join(_encode_name(name) + b":" + bytes(raw) for name, raw in members.items()) + b"}"


def _encode_name(name: str) -> bytes:
    text = "".join(
        f"\\u{ord(char):04x}" if "\ud800" <= char <= "\udfff" else _encode(char).decode()[1:-1] for char in name
    )
    return f'"{text}"'.encode()
