"""What the server says itself, without the application, before it closes a connection."""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from httptools import HttpParserCallbackError, HttpParserError


@dataclass(frozen=True, slots=True)
class HttpRefusal:
    """A status with a sentence that says what came and what to do; `fields` are more header lines, each with its end.

    The sentence is ours and holds nothing that the client has sent but numbers.
    """

    status: HTTPStatus
    text: str
    fields: bytes = b""

    @property
    def answer(self) -> bytes:
        """The whole response, which is the last one of its connection."""
        body = self.text.encode("ascii") + b"\n"
        head = b"HTTP/1.1 %d %b\r\n%bcontent-type: text/plain; charset=utf-8\r\ncontent-length: %d\r\n"
        start = head % (self.status, self.status.phrase.encode(), self.fields, len(body))
        return start + b"connection: close\r\n\r\n" + body


HEAD_TOO_LARGE: Final = HttpRefusal(
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    "The request line and the headers are longer than 64 KiB, or more than 1024 fields; send fewer or shorter ones.",
)
FRAMING_TOO_LARGE: Final = HttpRefusal(
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    "The chunk extensions and the trailer of a chunked body are too long; send neither, or a body with Content-Length.",
)
BODY_TOO_SLOW: Final = HttpRefusal(
    HTTPStatus.REQUEST_TIMEOUT, "The body was not complete 60 s after its head; send the request again, without pauses."
)
NO_ROOM: Final = HttpRefusal(
    HTTPStatus.SERVICE_UNAVAILABLE,
    "More unfinished requests came at once than the server holds; send this one again in 5 s.",
    b"retry-after: 5\r\n",
)
NO_HOST: Final = HttpRefusal(HTTPStatus.BAD_REQUEST, "An HTTP/1.1 request came without a Host header; send one.")
CODING_IN_1_0: Final = HttpRefusal(
    HTTPStatus.BAD_REQUEST, "An HTTP/1.0 request came with Transfer-Encoding; send Content-Length, or HTTP/1.1."
)
UNKNOWN_CODING: Final = HttpRefusal(
    HTTPStatus.NOT_IMPLEMENTED,
    "Transfer-Encoding is something else than one chunked; send the body with Content-Length, or chunked.",
)
INCOMPLETE: Final = HttpRefusal(
    HTTPStatus.BAD_REQUEST, "The request ended before it was complete; send the whole of it before you close."
)
TLS: Final = HttpRefusal(
    HTTPStatus.BAD_REQUEST, "TLS came to a port that speaks plain HTTP; use http:// here, or the port that ends TLS."
)
HTTP_2: Final = HttpRefusal(
    HTTPStatus.BAD_REQUEST, "HTTP/2 came without being asked for; set the client, or the proxy before it, to HTTP/1.1."
)
TUNNEL: Final = HttpRefusal(
    HTTPStatus.BAD_REQUEST, "CONNECT came, and this is no forward proxy; send requests for the endpoint itself."
)

_TLS_RECORD: Final = b"\x16\x03"
_HTTP_2: Final = "Pause on PRI/Upgrade"
"""The parser's word where the preface of HTTP/2 came, which it may say only behind it."""


def no_version(version: str) -> HttpRefusal:
    """What is said to another version of HTTP than 1.0 and 1.1."""
    text = f"HTTP/{version} came, and HTTP/1.1 is spoken here; set the client, or the proxy before it, to HTTP/1.1."
    return HttpRefusal(HTTPStatus.HTTP_VERSION_NOT_SUPPORTED, text)


def refusal_of(data: bytes, error: HttpParserError) -> HttpRefusal:
    """What is said to bytes in which the parser found no request.

    Its own texts are fixed. Those of a callback that failed over the target are not shown: they hold the target.
    """
    if data.startswith(_TLS_RECORD):
        return TLS
    if str(error) == _HTTP_2:
        return HTTP_2
    reason = "its target cannot be read" if isinstance(error, HttpParserCallbackError) else str(error)
    text = f"What came is no HTTP/1.1 request ({reason}); look at what the client, or the proxy before it, sends."
    return HttpRefusal(HTTPStatus.BAD_REQUEST, text)
