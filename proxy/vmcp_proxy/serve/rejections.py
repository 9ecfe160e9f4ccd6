"""Why the layers and the endpoint reject a request: HTTP status, JSON-RPC code, text and headers, in one table.

What becomes of a call that was let in stands in the tables of the eras (`vmcp_proxy.serve.eras.own_answers`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Final

from vmcp_proxy.auth.incoming.refusal import Fault, Refusal
from vmcp_proxy.protocol.error_codes import (
    HEADER_MISMATCH,
    INTERNAL_ERROR,
    INVALID_REQUEST,
    SERVER_ERROR,
    SESSION_NOT_FOUND,
)
from vmcp_proxy.protocol.jsonrpc import Malformed
from vmcp_proxy.protocol.modern import eras
from vmcp_proxy.serve.http.unread import SHORT_BYTES

MCP_PATH: Final = "/mcp"
METHODS: Final = b"GET, POST, DELETE, OPTIONS"
HOSTS_SETTING: Final = "spec.allowedHosts"
ORIGINS_SETTING: Final = "spec.allowedOrigins"

_OWN_FAULTS: Final = 500
"""Statuses from here on are no fault of the client's."""

_RETRY: Final = ((b"retry-after", b"5"),)
_WRONG_HOST: Final = "This endpoint does not answer to the name in the Host header; "
_WRONG_ORIGIN: Final = "Pages from this origin may not use this endpoint; "


@dataclass(frozen=True, slots=True)
class Rejection:
    """What is answered to a request that is not served: HTTP status, JSON-RPC code, what to do, more headers.

    `is_answer`: a request of a session hears it with the status 200, for another status ends the whole connection of
    many a client, with all that is in flight there, and this one may be asked again (ADR-0050).
    """

    status: int
    code: int
    message: str
    headers: tuple[tuple[bytes, bytes], ...] = ()
    is_answer: bool = False

    @property
    def modern_code(self) -> int:
        """The code for clients of the modern era, which has none for a server's own."""
        if self.code not in (SERVER_ERROR, SESSION_NOT_FOUND):
            return self.code
        return INVALID_REQUEST if self.status < _OWN_FAULTS else INTERNAL_ERROR


# By path and headers alone.
NO_SUCH_PATH: Final = Rejection(404, SERVER_ERROR, f"Not found; the endpoint is {MCP_PATH}.")
WRONG_HOST: Final = Rejection(421, SERVER_ERROR, f"{_WRONG_HOST}list the name in {HOSTS_SETTING}.")
WRONG_ORIGIN: Final = Rejection(403, SERVER_ERROR, f"{_WRONG_ORIGIN}list the origin in {ORIGINS_SETTING}.")
NOT_LOCAL_HOST: Final = Rejection(
    421,
    SERVER_ERROR,
    f"{_WRONG_HOST}in local mode use localhost or 127.0.0.1, or list the name in {HOSTS_SETTING}.",
)
NOT_LOCAL_ORIGIN: Final = Rejection(
    403,
    SERVER_ERROR,
    f"{_WRONG_ORIGIN}in local mode those of localhost and 127.0.0.1 may, others if {ORIGINS_SETTING} lists them.",
)
WRONG_METHOD: Final = Rejection(
    405, SERVER_ERROR, "Method not allowed; use POST, GET or DELETE.", ((b"allow", METHODS),)
)
READ_ONLY: Final = Rejection(405, SERVER_ERROR, "Method not allowed; use GET.", ((b"allow", b"GET, HEAD, OPTIONS"),))
NOT_STREAM: Final = Rejection(406, SERVER_ERROR, "A GET opens an event stream; accept text/event-stream.")
NOT_ACCEPTABLE: Final = Rejection(406, SERVER_ERROR, "Answers are application/json or text/event-stream; accept both.")
NOT_JSON: Final = Rejection(415, SERVER_ERROR, "Send the message as Content-Type: application/json.")
BAD_LENGTH: Final = Rejection(400, INVALID_REQUEST, "Content-Length must be a number.")
MANY_HOSTS: Final = Rejection(400, INVALID_REQUEST, "Send one Host header.")
REPEATED: Final = Rejection(400, INVALID_REQUEST, "Send each Mcp-* header once.")
REPEATED_MODERN: Final = Rejection(400, HEADER_MISMATCH, REPEATED.message)
MANY_CREDENTIALS: Final = Rejection(400, INVALID_REQUEST, "Send one Authorization header.")
BAD_REVISION: Final = Rejection(eras.BAD_REVISION.status, eras.BAD_REVISION.code, eras.BAD_REVISION.message)

# By the credentials (RFC 6750 section 3.1).
_STATUS_OF_FAULT: Final[Mapping[Fault, int]] = MappingProxyType(
    {
        Fault.NO_CREDENTIALS: 401,
        Fault.INVALID_REQUEST: 400,
        Fault.INVALID_TOKEN: 401,
        Fault.INSUFFICIENT_SCOPE: 403,
        Fault.UNAVAILABLE: 503,
    }
)


def unauthorized(refusal: Refusal) -> Rejection:
    """That of credentials that are lacking or not good enough, with the challenge."""
    status, is_answer = _STATUS_OF_FAULT[refusal.fault], refusal.fault is Fault.UNAVAILABLE
    return Rejection(status, SERVER_ERROR, refusal.message, refusal.headers, is_answer)


# By the body.
def too_large(most: int) -> Rejection:
    """That of a body of more than `most` bytes."""
    return Rejection(
        413, INVALID_REQUEST, f"The request body is larger than the {most} bytes that this endpoint takes."
    )


LONG_WITHOUT_SESSION: Final = Rejection(
    413, INVALID_REQUEST, f"Without a session a body may have {SHORT_BYTES} bytes; send initialize first."
)
INCOMPLETE: Final = Rejection(400, INVALID_REQUEST, "The request body is incomplete.")

# By the session.
NO_SESSION_ID: Final = Rejection(400, INVALID_REQUEST, "The header Mcp-Session-Id is missing; send initialize first.")
UNKNOWN_SESSION: Final = Rejection(404, SESSION_NOT_FOUND, "Session not found; send initialize again.")
STORE_AWAY: Final = Rejection(503, SERVER_ERROR, "The session store is away; try again.", _RETRY)
ALL_IN_USE: Final = Rejection(
    503, SERVER_ERROR, "This endpoint has as many sessions in use as it may; try again.", _RETRY
)
FULL: Final = Rejection(503, SERVER_ERROR, "This endpoint serves as many sessions as it may; try again later.", _RETRY)
CALLER_FULL: Final = Rejection(
    503, SERVER_ERROR, "You have as many sessions as you may; end one of them first.", _RETRY
)
NOBODY_ASKS: Final = Rejection(
    400,
    INVALID_REQUEST,
    "The answer could not be delivered: the request has another id, or the pod that sent it is gone or did not "
    "confirm.",
)
ANSWER_OVER: Final = Rejection(
    405,
    SERVER_ERROR,
    "The stream of this answer is over; nothing follows.",
    ((b"allow", b"POST, DELETE, OPTIONS"),),
)
NO_BATCHES: Final = Rejection(
    400, INVALID_REQUEST, "Batches left MCP with revision 2025-06-18; send one message per request."
)

# From outside of the request.
TIMED_OUT: Final = Rejection(504, INTERNAL_ERROR, "The request took longer than the endpoint allows.", is_answer=True)
SHUTTING_DOWN: Final = Rejection(503, INTERNAL_ERROR, "The server is shutting down; try again.", is_answer=True)
CRASHED: Final = Rejection(500, INTERNAL_ERROR, "Internal error", is_answer=True)


class Cut(Enum):
    """Why a request was ended from outside, and what is answered."""

    TIMEOUT = TIMED_OUT
    SHUTDOWN = SHUTTING_DOWN


def malformed(body: Malformed) -> Rejection:
    """That of a body which is no message."""
    return Rejection(400, body.code, body.message)


def refused_by_framework(status: int) -> Rejection:
    """That of a request which the web framework does not take."""
    return NO_SUCH_PATH if status == NO_SUCH_PATH.status else Rejection(status, SERVER_ERROR, "Refused.")
