"""What can go wrong with a backend.

BackendError
├── SessionLostError       the backend has forgotten our session; nothing was executed
├── CircuitOpenError       the backend was not asked, for it kept failing; says when to try again
└── (category)             everything else, told apart by `Category`
"""

import math
from enum import StrEnum
from typing import Final


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
}


class BackendError(Exception):
    """A backend gave no answer; the text names it and the category, never an address or a header value.

    `hint` is a short fact for the operator of the proxy, for example an HTTP status; it is free of secrets.
    """

    def __init__(self, backend: str, category: Category, hint: str = "") -> None:
        self.backend = backend
        self.category = category
        self.hint = hint
        detail = f" ({hint})" if hint else ""
        super().__init__(f"backend {backend!r} {_TEXT[category]}{detail}")


class SessionLostError(BackendError):
    """The backend no longer knows our session; the request was not executed."""

    def __init__(self, backend: str) -> None:
        super().__init__(backend, Category.REFUSED, "its session is gone")


class CircuitOpenError(BackendError):
    """The backend was not asked, for its circuit is open; `retry_after` is in whole seconds, at least one."""

    def __init__(self, backend: str, retry_after: float) -> None:
        self.retry_after = max(1, math.ceil(retry_after))
        super().__init__(backend, Category.CIRCUIT_OPEN, f"try again in {self.retry_after} s")
