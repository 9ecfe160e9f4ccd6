"""What JSON takes once it is decoded, told before it is: `[[],[],…]` takes twenty times its bytes."""

from typing import Final

import msgspec

from vmcp_api.base import Json

_VALUE_BYTES: Final = 64
"""Of each value beside its characters: an object's head, and the place where it is referred to."""

MOST_TEXT: Final = 64 << 20
"""What a text that holds JSON may weigh."""


class NoJsonError(Exception):
    """A text is no JSON, or would take too much memory."""


def weight_of(raw: bytes | msgspec.Raw) -> int:
    """Bytes that a JSON text may take once it is decoded: commas in its strings count as well."""
    text = bytes(raw)
    return len(text) + _VALUE_BYTES * (text.count(b",") + text.count(b"[") + text.count(b"{"))


def read_json(text: str) -> Json:
    """What a JSON text says that came as a value.

    Raises:
        NoJsonError: it is none, or weighs more than a text may.
    """
    try:
        raw = text.encode()
        if weight_of(raw) > MOST_TEXT:
            raise NoJsonError
        decoded: Json = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise NoJsonError from None
    return decoded
