"""What can go wrong between a request and the end of its response.

::

    HttpError
    ├── ConnectFailed      no connection: name unknown or not resolved in time, refused, unreachable
    ├── DialRefused        every address of the name is outside the backend's network
    ├── TlsFailed          no trust: wrong host, expired, unknown CA, bad PEM, refused certificate
    ├── Timeout            a bounded wait ended: pool, connect, send, head or body
    ├── ProtocolError      the answer is not acceptable HTTP/1.1
    ├── RedirectRefused    the redirect leaves the origin, or never ends
    ├── ResponseTooLarge   the body is larger than the caller's cap
    ├── PeerClosed         the connection ended before the response did
    └── PoolClosed         the client, or the response, was closed by its owner

No error holds a URL, an address, a header value or a body: all of them may be logged as they are.
"""
# ruff: noqa: N818 - the names say what happened, the base class says that they are errors

from typing import Final, Literal, TypeAlias

Phase: TypeAlias = Literal["pool", "connect", "send", "head", "body"]
"""The wait that a ``Timeout`` ended."""

_WAITING_FOR: Final[dict[Phase, str]] = {
    "pool": "a free connection",
    "connect": "the connection",
    "send": "the peer to take the request",
    "head": "the response",
    "body": "the rest of the response",
}


NAME_UNKNOWN: Final = "the host name cannot be resolved"
NAME_UNANSWERED: Final = "no DNS server has resolved the host name in time"
REFUSES: Final = "connection refused"
"""Reasons of a ``ConnectFailed`` that users can do something about."""

COMPRESSED: Final = "it is compressed, although the request asks for no content encoding"
"""A reason of a ``ProtocolError`` that users can do something about."""


class HttpError(Exception):
    """A request that brought no whole response; ``sent`` says whether the peer may have read any of it.

    Only a request with ``sent`` false may be repeated without asking whether it ran.
    """

    def __init__(self, message: str, *, sent: bool) -> None:
        super().__init__(message)
        self.sent = sent


class ConnectFailed(HttpError):
    """No address could be connected to; ``reason`` is a category such as ``connection refused``."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"cannot connect: {reason}", sent=False)
        self.reason = reason


class DialRefused(HttpError):
    """The dial guard allows none of the resolved addresses; ``category`` and ``network`` say why."""

    def __init__(self, category: str, network: str, remedy: str) -> None:
        message = f"the host resolves to {category}, which network `{network}` may not dial; {remedy}"
        super().__init__(message, sent=False)
        self.category = category
        self.network = network


class TlsFailed(HttpError):
    """TLS could not be set up, or the peer ended it with an alert; ``reason`` is for people."""

    def __init__(self, reason: str, *, sent: bool = False) -> None:
        super().__init__(f"TLS failed: {reason}", sent=sent)
        self.reason = reason


class Timeout(HttpError):
    """A bounded wait ended; ``phase`` names it."""

    def __init__(self, phase: Phase, *, sent: bool) -> None:
        super().__init__(f"timed out waiting for {_WAITING_FOR[phase]}", sent=sent)
        self.phase = phase


class ProtocolError(HttpError):
    """The answer breaks HTTP/1.1 (RFC 9112) or a bound of this client; the connection is closed."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"unacceptable response: {reason}", sent=True)
        self.reason = reason


class RedirectRefused(HttpError):
    """A redirect that is not followed; nothing was sent to where it points.

    `target` is the origin that it leads to, where that is another one: for operators alone.
    """

    def __init__(self, reason: str, target: str = "") -> None:
        super().__init__(f"redirect refused: {reason}", sent=True)
        self.reason = reason
        self.target = target


class ResponseTooLarge(HttpError):
    """The body is larger than ``limit`` bytes; nothing of it is handed out."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"the response is larger than {limit} bytes", sent=True)
        self.limit = limit


class PeerClosed(HttpError):
    """The connection ended early; ``started`` says whether any byte of a response had arrived."""

    def __init__(self, *, sent: bool, started: bool = False) -> None:
        when = "in the middle of its response" if started else "without a response"
        super().__init__(f"the peer closed the connection {when}", sent=sent)
        self.started = started


class PoolClosed(HttpError):
    """The owner closed the client or the response before the end."""

    def __init__(self, *, sent: bool) -> None:
        super().__init__("the HTTP client or the response was closed", sent=sent)
