"""Why a backend cannot be authenticated to.

OutgoingAuthError          `retry_after` says when to ask again; `detail` is for operators alone, `endpoint` for the log
├── NoUserError            the strategy acts for a user, and the caller brought no token of one
├── RelayRefusedError      the caller's own headers may not go to this backend
├── EndpointAwayError      a token endpoint gives no answer, or none that can be used
│   └── OwnTokenError      it gives back what it was shown, which is for nobody else
└── GrantRefusedError      a token endpoint refuses; `is_dead`: what it was asked with is no good any more

The texts name no address, no token and no secret: clients may read them, and they may be logged.
"""

import re
from typing import Final, Self

_NO_CODE: Final = "an error"
_CODE: Final = re.compile(r"[a-z][a-z0-9_-]{0,63}")
_DEAD: Final = "invalid_grant"
_ADVICE: Final = {
    "invalid_client": "correct its client ID and secret",
    "unauthorized_client": "allow this client the grant there",
    "unsupported_grant_type": "that server does not know this grant; choose another strategy",
    "invalid_scope": "correct the scopes",
    "invalid_target": "correct audience and resource",
    "invalid_grant": "sign in again",
}
_TOKEN_LIKE: Final = re.compile(r"[A-Za-z0-9+/=_~.-]{20,}")
_LONGEST: Final = 200


class OutgoingAuthError(Exception):
    """There are no credentials for a request; the text says why, in the order cause, remedy.

    `endpoint` is the origin of the token endpoint that was asked, empty where none was.
    """

    endpoint: str = ""

    def __init__(self, text: str, *, detail: str = "", retry_after: float = 0.0, is_dead: bool = False) -> None:
        super().__init__(text)
        self.detail = detail
        self.retry_after = retry_after
        self.is_dead = is_dead

    def again(self) -> "OutgoingAuthError":
        """The same error without where it was raised: each who waits raises one of its own."""
        copy = OutgoingAuthError(str(self), detail=self.detail, retry_after=self.retry_after, is_dead=self.is_dead)
        copy.endpoint = self.endpoint
        return copy


class NoUserError(OutgoingAuthError):
    """Nobody vouches for the caller with a token that could be exchanged."""

    def __init__(self) -> None:
        super().__init__("it is called on behalf of a user, and this caller has no token of one", is_dead=True)


class RelayRefusedError(OutgoingAuthError):
    """No token for the backend stands behind the headers, or behind the caller, so that they may not go there."""

    @classmethod
    def of_caller(cls) -> Self:
        """The token that this request came with is not for the backend."""
        return cls(
            "it is relayed the caller's headers, and this caller's token is not for it; get one with its audience too",
            is_dead=True,
        )

    @classmethod
    def of_headers(cls) -> Self:
        """The token of this request is, and the one that the session's headers came with is not."""
        return cls(
            "it is relayed the headers that this session began with, and the token they came with is not for it; "
            "begin a new session",
            is_dead=True,
        )


class EndpointAwayError(OutgoingAuthError):
    """A token endpoint gives no usable answer; `place` says whose it is, `reason` what happened."""

    def __init__(self, place: str, reason: str, retry_after: float = 0.0) -> None:
        super().__init__(f"{place} {reason}", retry_after=retry_after)


class OwnTokenError(EndpointAwayError):
    """A token endpoint exchanges nothing: what it was shown would go on to where it must not go."""

    def __init__(self, place: str) -> None:
        super().__init__(place, "gives back the very token that it was shown, which is for no backend")


class GrantRefusedError(OutgoingAuthError):
    """A token endpoint refuses (RFC 6749 section 5.2); `description` is in its own words."""

    def __init__(self, place: str, code: str, description: str, status: int) -> None:
        known = code if _CODE.fullmatch(code) else _NO_CODE
        advice = f"; {_ADVICE[known]}" if known in _ADVICE else ""
        text = f"{place} refuses with {known}{advice}"
        super().__init__(text, detail=_printable(description), is_dead=known == _DEAD)
        self.code = known
        self.status = status


def _printable(said: str) -> str:
    """The server's words without what could be a token, a secret or a control sequence."""
    shown = _TOKEN_LIKE.sub("***", said)
    return "".join(each if each.isprintable() else " " for each in shown)[:_LONGEST]
