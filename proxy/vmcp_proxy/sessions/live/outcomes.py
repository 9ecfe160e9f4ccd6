"""What asking for a session can come to."""

from dataclasses import dataclass
from enum import StrEnum

from vmcp_proxy.sessions.live.session import Session


class RefusalReason(StrEnum):
    """Why no session was opened."""

    CAPPED = "capped"
    IDENTITY_CAPPED = "identity_capped"
    UNAVAILABLE = "unavailable"
    CLOSED = "closed"
    """This process ends."""


class MissingReason(StrEnum):
    """Why there is no session for a request; all but the last three look the same to the client (404)."""

    FORGED = "forged"
    FOREIGN = "foreign"
    UNKNOWN = "unknown"
    ENDED = "ended"
    EXPIRED = "expired"
    HEADERS = "headers"
    UNAVAILABLE = "unavailable"
    CLOSED = "closed"
    """This process ends; another pod has the session."""
    CAPPED = "capped"
    """Every session that this pod has room for is in use here; another pod may have room."""


@dataclass(frozen=True, slots=True)
class Created:
    """A new session and the id that opens it; `repr` leaves the id out."""

    session_id: str
    session: Session

    def __repr__(self) -> str:
        return f"Created({self.session!r})"


@dataclass(frozen=True, slots=True)
class Refused:
    """No session was opened and none was harmed."""

    reason: RefusalReason


@dataclass(frozen=True, slots=True)
class Missing:
    """There is no session with this id for this caller."""

    reason: MissingReason
