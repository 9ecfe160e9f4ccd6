"""What may be wrong with a token."""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Final

from vmcp_api.text.texts import printable

_MOST_SHOWN: Final = 256


class Flaw(Enum):
    """What is wrong with a token, for the log of who runs the endpoint; its bearer is not told."""

    MALFORMED = "it is no token"
    ALGORITHM = "its algorithm is not taken; RS, PS and ES with 256, 384 and 512 are"
    TYPE = "its typ is not that of an access token"
    NO_KEY_NAME = "it names no key (kid)"
    UNKNOWN_KEY = "the issuer has no such key (kid), or not for this algorithm"
    SIGNATURE = "its signature is wrong"
    EXPIRED = "it has expired"
    NOT_YET = "it is not valid yet; the clocks may differ"
    ISSUER = "its iss is not the issuer"
    AUDIENCE = "its aud does not hold the audience"
    NO_SUBJECT = "it has no sub"
    CLAIMS = "a claim that is needed is missing or mistyped"
    TEXT = "a claim holds half a surrogate pair, which is no text"
    USE = "it is for something else than to be shown here as a bearer's access token"
    NO_INTROSPECTION = "it is opaque, and no introspection is set up"
    INACTIVE = "the introspection endpoint says that it is not active"


COMPARED: Final = {Flaw.ISSUER: "iss", Flaw.AUDIENCE: "aud"}
"""What is wrong with the settings as often as with the token: the log shows both sides."""

TIMED: Final = {Flaw.EXPIRED: "exp", Flaw.NOT_YET: "nbf"}
"""What is wrong with a clock as often as with the token: the log shows the token's side, and has a time of its own."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A token that is no good: why, and what it says there, where that may be logged."""

    flaw: Flaw
    came: str = ""


def shown(said: object) -> str:
    """What a token says somewhere, as it may stand in a line of the log."""
    return printable(str(said)[:_MOST_SHOWN])


def shown_time(seconds: float | None) -> str:
    """A time of a token (Unix seconds) for a line of the log; empty for none, and for one that no calendar has."""
    if seconds is None:
        return ""
    try:
        return datetime.fromtimestamp(int(seconds), UTC).isoformat()
    except (ValueError, OverflowError, OSError):
        return ""
