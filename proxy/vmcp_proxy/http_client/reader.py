"""One response from bytes: framing rules and bounds over llhttp, without I/O (RFC 9112)."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Final

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from vmcp_proxy.http_client.body_filler import BodyFiller
from vmcp_proxy.http_client.errors import COMPRESSED, PeerClosed, ProtocolError, TlsFailed
from vmcp_proxy.protocol.tls_trouble import WANTS_TLS, wants_tls

_NO_BODY: Final = frozenset({HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED})
_FINAL: Final = int(HTTPStatus.OK)
"""The lowest status that ends an exchange; those below are interim (RFC 9110 section 15.2)."""


class ResponseHeaders:
    """Header fields of a response; names are lower-case, values without surrounding blanks."""

    __slots__ = ("get", "items")

    def __init__(self, items: tuple[tuple[bytes, bytes], ...]) -> None:
        self.items = items
        self.get: Final[Callable[[bytes], bytes | None]] = dict(reversed(items)).get
        """Return the first value of a lower-case name."""

    def __repr__(self) -> str:
        return f"<ResponseHeaders {len(self.items)} fields>"


class Message:
    """A response as far as it has arrived; ``size`` counts the body bytes in ``parts``.

    ``headers`` is set from ``has_head`` on. ``length`` is the declared length of the whole body, None where
    only the end will tell. A body that is read in place is in ``filler``.
    """

    __slots__ = ("complete", "filler", "has_head", "headers", "length", "parts", "size", "status")

    headers: ResponseHeaders

    def __init__(self) -> None:
        self.status = 0
        self.length: int | None = None
        self.parts: list[bytes] = []
        self.filler: BodyFiller | None = None
        self.size = 0
        self.has_head = False
        self.complete = False


_NOTHING: Final = Message()
_NOTHING.complete = True


class ResponseReader:
    """Reads the responses of one connection, one after the other.

    After each ``feed`` look at the message that was given to ``begin``. Once it is complete, ``reusable``
    says whether the connection may carry another request.
    """

    __slots__ = (
        "_close_delimited", "_fields", "_is_head", "_max_header_bytes", "_message", "_parser", "_unframed",
        "has_started", "reusable",
    )  # fmt: skip

    def __init__(self, max_header_bytes: int) -> None:
        self._max_header_bytes = max_header_bytes
        self._parser = HttpResponseParser(self)
        self._fields: list[tuple[bytes, bytes]] = []
        self.begin(Message(), is_head=False)

    def begin(self, message: Message, *, is_head: bool) -> None:
        """Expect one response, to a HEAD request if ``is_head``, and read it into ``message``."""
        self._message = message
        self._is_head = is_head
        self._fields.clear()  # of the last trailer section
        self._close_delimited = False
        self._unframed = 0
        self.has_started = False
        self.reusable = False

    def let_go(self) -> None:
        """Hold the message no longer: an idle connection lives on, and its last body must not live with it."""
        self._message = _NOTHING

    def replace_message(self) -> Message:
        """Read the rest of the body into another message, as if it had no beginning."""
        self._message, former = Message(), self._message
        self._message.has_head = former.has_head
        return self._message

    def feed(self, data: bytes) -> None:
        """Take bytes from the peer; ProtocolError when they are not acceptable, TlsFailed when it wants TLS."""
        if not self.has_started and wants_tls(data):
            # It has read no request: nothing was carried out.
            raise TlsFailed(WANTS_TLS)
        self.has_started = True
        self._unframed += len(data)
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade) as error:
            if not self._message.complete:
                cause = error.__context__
                raise cause if isinstance(cause, ProtocolError) else ProtocolError(str(error)) from None
            self.reusable = False  # surplus bytes: the response stands, the connection does not
        if self._unframed > self._max_header_bytes and not self._message.complete:
            # llhttp and httptools buffer a name or value for as long as it lasts.
            raise ProtocolError("the header or trailer section is too large")

    def complete(self, length: int) -> None:
        """Take note that all of a body of this declared length is there, though not all came through ``feed``."""
        message = self._message
        message.size, message.complete = length, True
        self.reusable = self._parser.should_keep_alive()
        self._parser = HttpResponseParser(self)  # the former waits for the rest of the body

    def feed_eof(self) -> None:
        """Take the end of the stream; PeerClosed unless that is how the body ends."""
        message = self._message
        if not message.complete:
            if not self._close_delimited:
                raise PeerClosed(sent=True, started=self.has_started)
            message.complete = True

    # Callbacks of httptools. An exception stops the parser and comes out of feed_data() as its context.

    def on_message_begin(self) -> None:
        if self._message.complete:
            raise ProtocolError("a response that nobody asked for")

    def on_header(self, name: bytes, value: bytes) -> None:
        self._fields.append((name.lower(), value.strip()))

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status < _FINAL:
            self._take_interim(status)
            return
        message = self._message
        message.status = status
        message.headers = headers = ResponseHeaders(tuple(self._fields))
        self._fields.clear()
        if self._unframed > self._max_header_bytes:
            self._check_size(headers)
        self._unframed = 0
        length = headers.get(b"content-length")
        coding = headers.get(b"transfer-encoding")
        if coding is not None:
            self._check_chunked(headers)
        encoding = headers.get(b"content-encoding")
        if encoding is not None and encoding.lower() not in {b"", b"identity"}:
            raise ProtocolError(COMPRESSED)
        message.has_head = True
        if self._is_head:
            message.complete = True  # llhttp cannot be told and waits for a body: no reuse
        elif status in _NO_BODY:
            message.length = 0
        elif length is not None:
            message.length = int(length)
        else:
            self._close_delimited = coding is None

    def on_body(self, data: bytes) -> None:
        message = self._message
        if message.complete:
            raise ProtocolError("a body that nobody asked for")
        self._unframed = 0
        message.parts.append(data)
        message.size += len(data)

    def on_message_complete(self) -> None:
        message = self._message
        if message.has_head and not message.complete:  # llhttp completes interim responses too
            message.complete = True
            self.reusable = self._parser.should_keep_alive()  # not to be asked after this callback

    def _take_interim(self, status: int) -> None:
        if status == HTTPStatus.SWITCHING_PROTOCOLS:
            raise ProtocolError("a switch of protocols that nobody asked for")
        if status < HTTPStatus.CONTINUE:
            raise ProtocolError("the status is no HTTP status")
        self._fields.clear()

    def _check_size(self, headers: ResponseHeaders) -> None:
        size = sum(len(name) + len(value) + 4 for name, value in headers.items)
        if size > self._max_header_bytes:
            raise ProtocolError("the header section is too large")

    def _check_chunked(self, headers: ResponseHeaders) -> None:
        codings = [value.lower() for name, value in headers.items if name == b"transfer-encoding"]
        if codings != [b"chunked"]:
            raise ProtocolError("a transfer coding other than chunked")
