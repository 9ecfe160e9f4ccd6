"""Request heads as bytes (RFC 9112 sections 3 and 5)."""

from collections.abc import Sequence
from typing import Final, TypeAlias

from vmcp_proxy.http_client.url import Url

Headers: TypeAlias = Sequence[tuple[bytes, bytes]]
"""Request header fields in the order in which they are sent."""

_TOKEN: Final = (
    b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"  # RFC 9110 section 5.6.2
)
_TOKEN_LINES: Final = _TOKEN + b"\n"
_OWNED: Final = frozenset((
    b"", b"host", b"content-length", b"transfer-encoding", b"connection", b"te", b"trailer", b"upgrade",
    b"expect",
))  # fmt: skip
"""Fields that decide framing and connection: the client's own. The empty name is here to be refused."""
_TRACE: Final = b"traceparent"
_TRACE_VALUE: Final = b"0123456789abcdef-"
_BODYLESS: Final = frozenset({b"GET", b"HEAD", b"DELETE", b"OPTIONS"})
"""Methods whose missing body needs no Content-Length (RFC 9110 section 8.6)."""


class HeaderBlock:
    """Header fields checked and encoded once, for headers that many requests share.

    ValueError for a field that could smuggle (CR, LF, NUL, a name that is no token, a framing field); the
    message names the field, never its value.
    """

    __slots__ = ("lines",)

    def __init__(self, headers: Headers) -> None:
        self.lines = encode_fields(headers)

    def __add__(self, more: Headers) -> "HeaderBlock":
        """A block with further fields, of which only those are checked and encoded now."""
        block = HeaderBlock.__new__(HeaderBlock)
        if len(more) == 1 and more[0][0] == _TRACE and not more[0][1].translate(None, _TRACE_VALUE):
            # What a request of its own adds most often, and nothing in it can smuggle.
            block.lines = b"%b%b: %b\r\n" % (self.lines, _TRACE, more[0][1])
        else:
            block.lines = self.lines + encode_fields(more)
        return block

    def __repr__(self) -> str:
        return f"<HeaderBlock {len(self.lines)} bytes>"


def encode_head(method: bytes, url: Url, headers: Headers | HeaderBlock, body: bytes | None) -> bytes:
    """Encode request line and fields; ValueError as for HeaderBlock.

    Host, Content-Length and Accept-Encoding are added here: without the last one a server may compress.
    """
    if body is not None:
        length = b"Content-Length: %d\r\n" % len(body)
    else:
        length = b"" if method in _BODYLESS else b"Content-Length: 0\r\n"
    lines = headers.lines if isinstance(headers, HeaderBlock) else encode_fields(headers)
    return b"%b%b%b%bAccept-Encoding: identity\r\n\r\n" % (method, url.request_line_end, length, lines)


def encode_fields(headers: Headers) -> bytes:
    """Encode header fields, each with its line end; ValueError as for HeaderBlock."""
    # Nothing of this is kept: header values are credentials. So it has to be cheap, and one pass over all
    # fields at once costs a third of a look at each.
    lines = b"\r\n".join([*map(b": ".join, headers), b""])
    names = b"\n".join([name for name, _ in headers])
    if headers and (
        lines.count(b"\n") != len(headers)
        or lines.count(b"\r") != len(headers)
        or b"\0" in lines
        or names.translate(None, _TOKEN_LINES)
        or not _OWNED.isdisjoint(names.lower().split(b"\n"))
    ):
        _refuse(headers)
    return lines


def _refuse(headers: Headers) -> None:
    for name, value in headers:
        if not name or name.translate(None, _TOKEN):
            raise ValueError(f"header name {name!r} is not a token")
        if name.lower() in _OWNED:
            raise ValueError(f"header {name.decode()} is set by the HTTP client alone")
        if any(byte in value for byte in (b"\r", b"\n", b"\0")):
            raise ValueError(f"the value of header {name.decode()} holds a CR, LF or NUL")
