"""Values of the body as they stand in header fields: as they are, or in base64 (MCP 2026-07-28, "Value Encoding")."""

import binascii
from base64 import b64decode, b64encode
from typing import Final

_OPENS: Final = "=?base64?"
_CLOSES: Final = "?="
_VISIBLE: Final = frozenset(map(chr, range(0x20, 0x7F)))


def encode_header_value(text: str) -> bytes:
    """The text as a field value; in base64 where a field could not carry it, or where it looks like base64 already.

    Raises:
        UnicodeEncodeError: it holds a lone surrogate, which UTF-8 has no bytes for.
    """
    if _VISIBLE.issuperset(text) and text.strip() == text and not _is_encoded(text):
        return text.encode("ascii")
    return (_OPENS + b64encode(text.encode()).decode() + _CLOSES).encode("ascii")


def decode_header_value(value: bytes | None) -> str | None:
    """The text that a field value stands for; None for no value, or for base64 that nobody would write so."""
    if value is None:
        return None
    text = value.decode("latin-1")
    if not _is_encoded(text):
        return text
    payload = text[len(_OPENS) : -len(_CLOSES)]
    try:
        raw = b64decode(payload, validate=True)
        # The decoder lets odd last bits pass: two values would stand for one text.
        return raw.decode() if b64encode(raw).decode() == payload else None
    except (binascii.Error, ValueError):
        return None


def _is_encoded(text: str) -> bool:
    return text.startswith(_OPENS) and text.endswith(_CLOSES) and len(text) >= len(_OPENS) + len(_CLOSES)
