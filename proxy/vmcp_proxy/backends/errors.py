"""What can go wrong with a backend.

BackendError
├── SessionLostError       the backend has forgotten our session; the request may be sent again
│   └── EraLostError       it speaks another protocol than in our session; the same
├── NotModernError         it does not speak the revision without sessions, for certain
├── CredentialsRefusedError the backend did not take our credentials; nothing was executed
├── SessionBrokenError     the backend has forgotten our session; the request may have been executed
├── CircuitOpenError       the backend was not asked, for it kept failing; says when to try again
└── (category)             everything else, told apart by `Category`
"""

import math
from enum import StrEnum
from typing import Final

CANCELLED: Final = "cancelled"
"""Stands where a category does for what nobody waits for any more."""

SAID: Final = ", it said: "
"""Stands in a hint before the last lines of a program, which may hold anything but secrets."""

UNREAD: Final = "it does not read what it is sent"
"""The hint of what could not be written in time to a program that runs."""


class Category(StrEnum):
    """Why a backend gave no answer; bounded, so that it may be a label and stand in an error."""

    UNREACHABLE = "unreachable"
    FAILED = "failed"
    TIMEOUT = "timeout"
    AUTH = "auth"
    TOO_LARGE = "response_too_large"
    PROTOCOL = "protocol"
    REFUSED = "refused"
    HEADERS = "header_collision"
    NOT_RUNNING = "not_running"
    ENDED = "session_ended"
    FULL = "no_room"
    CIRCUIT_OPEN = "circuit_open"
    BUSY = "busy"
    CREDENTIALS = "no_credentials"


_TEXT: Final = {
    Category.UNREACHABLE: "cannot be reached",
    Category.FAILED: "failed to answer",
    Category.TIMEOUT: "did not answer in time",
    Category.AUTH: "refused the credentials of this request",
    Category.TOO_LARGE: "sent an answer larger than the limit",
    Category.PROTOCOL: "sent an answer that is not valid MCP",
    Category.REFUSED: "refused the request",
    Category.HEADERS: "would get one header from two sources",
    Category.NOT_RUNNING: "is not running",
    Category.ENDED: "was not asked",
    Category.FULL: "has no room for another client session",
    Category.CIRCUIT_OPEN: "kept failing and is not called for now",
    Category.BUSY: "takes no more requests for now",
    Category.CREDENTIALS: "was not asked, for there are no credentials for it",
}


class BackendError(Exception):
    """A backend gave no answer; the text names it and the category, never an address or a header value.

    `hint` is a short fact, for example an HTTP status, and `advice` what to do; both are free of secrets. `detail`
    is for operators alone: the path that was asked for, the server's own words; `told` is the text with it.
    `status` is the HTTP status that came, 0 for none, `retry_after` the pause that was asked for, in seconds.
    """

    def __init__(
        self,
        backend: str,
        category: Category,
        hint: str = "",
        *,
        detail: str = "",
        advice: str = "",
        status: int = 0,
        retry_after: int | None = None,
    ) -> None:
        self.backend = backend
        self.category = category
        self.hint = hint
        self.status = status
        self.retry_after = retry_after
        text = f"backend {backend!r} {_TEXT[category]}"
        self.told = text + _in_brackets(hint, detail, advice)
        super().__init__(text + _in_brackets(hint, "", advice))


def _in_brackets(hint: str, detail: str, advice: str) -> str:
    known = ", ".join(filter(None, (hint, detail))) + advice
    return f" ({known})" if known else ""


class SessionLostError(BackendError):
    """The backend no longer knows our session; the request was not executed, or executes nothing."""

    def __init__(self, backend: str) -> None:
        super().__init__(backend, Category.REFUSED, "its session is gone")


class EraLostError(SessionLostError):
    """The backend has refused the protocol of our session; the request was not executed.

    Where it is refused again, this is what is left to say.
    """

    def __init__(self, refused: BackendError) -> None:
        BackendError.__init__(self, refused.backend, refused.category, refused.hint, status=refused.status)
        self.told = refused.told
        self.args = refused.args


class NotModernError(BackendError):
    """The backend has answered, and does not speak MCP 2026-07-28."""


class CredentialsRefusedError(BackendError):
    """The backend wants other credentials (HTTP 401); the request was not executed (RFC 9110 section 15.5.2).

    A 403 is no such error: the credentials were taken, and are not good for this.
    """


class SessionBrokenError(BackendError):
    """The backend no longer knows our session; the request may have been executed, and is not sent again."""

    def __init__(self, refused: BackendError) -> None:
        super().__init__(refused.backend, refused.category, refused.hint, status=refused.status)
        self.told = refused.told
        self.args = refused.args


class CircuitOpenError(BackendError):
    """The backend was not asked, for its circuit is open; `retry_after` is in whole seconds, at least one."""

    def __init__(self, backend: str, retry_after: float) -> None:
        seconds = max(1, math.ceil(retry_after))
        super().__init__(backend, Category.CIRCUIT_OPEN, f"try again in {seconds} s", retry_after=seconds)
