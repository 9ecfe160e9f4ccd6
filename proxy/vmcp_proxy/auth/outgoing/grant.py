"""What a token endpoint hands out, and how its answer is read: every byte of it may be wrong."""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from vmcp_api.secret import SecretBytes
from vmcp_proxy.auth.oauth.endpoints import EndpointAnswer
from vmcp_proxy.auth.outgoing.errors import EndpointAwayError, GrantRefusedError

_LONGEST_TOKEN: Final = 32 << 10
_TOKEN: Final = re.compile(r"[\x21-\x7e]+")
_DEFAULT_LIFETIME: Final = 300.0
"""Where the answer says nothing of it, in seconds."""

_LONGEST_LIFETIME: Final = 86_400.0
_BEARER: Final = frozenset({"bearer", "n_a"})
"""What may be sent as a bearer token, and what is no access token but an assertion (RFC 8693 section 2.2.1)."""

_TOO_MANY: Final = 429
_SERVER_ERROR: Final = 500


@dataclass(frozen=True, slots=True, eq=False)
class Issued:
    """A token and how long it is good for, in seconds from when it was asked for."""

    token: SecretBytes
    lifetime: float
    kind: str = field(default="", repr=False)
    """`issued_token_type`, where it is said."""


def read_answer(place: str, said: EndpointAnswer, hidden: Iterable[str] = ()) -> Issued:
    """The token in an answer; what was sent and is `hidden` stands in no error, whatever the server repeats.

    Raises:
        OutgoingAuthError: there is none.
    """
    answer, status = said.document, said.status
    code = answer.get("error")
    if isinstance(code, str):
        description = answer.get("error_description")
        if status < _SERVER_ERROR and status != _TOO_MANY:
            words = description if isinstance(description, str) else ""
            # The longest first: one may be a part of another.
            for secret in sorted(hidden, key=len, reverse=True):
                words = words.replace(secret, "***")
            raise GrantRefusedError(place, code, words, status)
    if not said.is_ok:
        raise EndpointAwayError(place, f"answers with HTTP status {status}", said.retry_after)
    token = answer.get("access_token")
    if not isinstance(token, str) or len(token) > _LONGEST_TOKEN or not _TOKEN.fullmatch(token):
        raise EndpointAwayError(place, "answers without a token that could be sent")
    kind = answer.get("token_type", "bearer")
    if not isinstance(kind, str) or kind.lower() not in _BEARER:
        raise EndpointAwayError(place, "issues tokens that are no bearer tokens")
    issued = answer.get("issued_token_type")
    return Issued(
        SecretBytes(token.encode("ascii")),
        _lifetime(answer.get("expires_in")),
        issued if isinstance(issued, str) else "",
    )


def _lifetime(said: object) -> float:
    """Some servers write it as text; what is no number of seconds is as if it were not said."""
    try:
        seconds = float(said) if isinstance(said, int | float | str) and not isinstance(said, bool) else math.nan
    except (ValueError, OverflowError):
        seconds = math.nan
    return min(seconds, _LONGEST_LIFETIME) if seconds > 0 else _DEFAULT_LIFETIME
