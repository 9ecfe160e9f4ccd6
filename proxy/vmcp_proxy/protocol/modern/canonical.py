"""A digest of a JSON value, whichever way the value is written."""

import hashlib
import json
from typing import Any, Final, NoReturn

from vmcp_proxy.protocol.jsonrpc import Raw
from vmcp_proxy.protocol.params import InvalidParamsError

_CONSTANTS: Final[dict[object, bytes]] = {None: b"n", True: b"t", False: b"f"}


class _Number(str):
    """A number by its value: sign, digits without zeros at either end, and a power of ten."""

    __slots__ = ()


def digest_of(raw: Raw | None) -> bytes:
    """32 bytes that are equal for equal JSON values: white space, order of members, escapes and forms of numbers aside.

    Of a repeated member the last one counts. `None` counts as `{}`, and so does `null`: clients write either for what
    they leave out.

    Raises:
        InvalidParamsError: it cannot be read.
    """
    try:
        value = (
            {}
            if raw is None
            else json.loads(bytes(raw), parse_int=_number, parse_float=_number, parse_constant=_refuse)
        )
    except (ValueError, RecursionError):
        raise InvalidParamsError("The arguments cannot be read, or are nested too deeply.") from None
    digest = hashlib.sha256()
    waiting: list[Any] = [{} if value is None else value]
    # No recursion: what json.loads has read may be as deep as the stack of Python is.
    while waiting:
        each = waiting.pop()
        digest.update(_head(each))
        if isinstance(each, list):
            waiting += reversed(each)
        elif isinstance(each, dict):
            for name in sorted(each, reverse=True):
                waiting += (each[name], name)
    return digest.digest()


def _head(value: Any) -> bytes:
    """What tells a value from every other one, but for what it holds."""
    match value:
        case _Number():
            return _with_length(b"#", value.encode())
        case str():
            return _with_length(b'"', value.encode(errors="surrogatepass"))
        case list():
            return _with_length(b"[", b"%d" % len(value))
        case dict():
            return _with_length(b"{", b"%d" % len(value))
    return _CONSTANTS[value]


def _with_length(mark: bytes, text: bytes) -> bytes:
    return mark + len(text).to_bytes(8, "big") + text


def _number(text: str) -> _Number:
    mantissa, _, exponent = text.lower().partition("e")
    whole, _, fraction = mantissa.lstrip("-").partition(".")
    digits = (whole + fraction).lstrip("0")
    kept = digits.rstrip("0")
    if not kept:
        return _Number("0")
    power = int(exponent or "0") - len(fraction) + len(digits) - len(kept)
    return _Number(f"{'-' if text[0] == '-' else ''}{kept}e{power}")


def _refuse(_text: str) -> NoReturn:
    raise ValueError
