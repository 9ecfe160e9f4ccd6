"""What the claims of a token say of its caller."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from types import MappingProxyType
from typing import Any, Final

from vmcp_proxy.auth.claims import SCOPES, canonical
from vmcp_proxy.auth.incoming.oidc.flaw import Flaw, Refused, shown

LEEWAY_SECONDS: Final = 60.0
"""How far the clocks of an issuer and of this machine may be apart."""


_USES: Final = ("token_type", "token_use", "typ")
"""What says what a token is for: RFC 7662 section 2.2, Cognito and Hydra, Keycloak."""

_OTHER_USES: Final = frozenset({"id", "id_token", "logout", "logout_token", "offline", "refresh", "refresh_token"})
_TOKEN_TYPES: Final = frozenset({"bearer", "access", "access_token"})
_TYPE_URN: Final = "urn:ietf:params:oauth:token-type:"
"""RFC 8693 section 3."""


@dataclass(frozen=True, slots=True)
class Claims:
    """The claims of a token that is good; `expires_at` is the moment from which it is refused, in Unix seconds.

    `digest` stands for all of them, told apart by type too.
    """

    subject: str = field(repr=False)
    scopes: frozenset[str]
    expires_at: float
    digest: bytes = field(repr=False)
    every: Mapping[str, Any] = field(repr=False, compare=False)


def read_claims(claims: dict[str, Any], expires: float) -> Claims | Refused:
    """The claims of an access token that `expires` by its own word; those that no access token has are refused.

    Whatever is kept or sent on of them has to be text: half a surrogate pair stands in no UTF-8.
    """
    try:
        digest = blake2b(canonical(claims).encode(), digest_size=16).digest()
    except UnicodeEncodeError:
        return Refused(Flaw.TEXT)
    except RecursionError:
        return Refused(Flaw.MALFORMED)
    if other := _other_use(claims):
        return Refused(Flaw.USE, other)
    subject = subject_of(claims)
    if subject is None:
        return Refused(Flaw.NO_SUBJECT)
    return Claims(subject, scopes_of(claims), expires + LEEWAY_SECONDS, digest, MappingProxyType(claims))


def _other_use(claims: Mapping[str, Any]) -> str:
    """What a refresh or ID token says of itself; empty for an access token, and for one that says nothing."""
    said = ((name, claims.get(name)) for name in _USES)
    others = (
        f"{name}: {shown(value)}" for name, value in said if isinstance(value, str) and _plain(value) in _OTHER_USES
    )
    return next(others, "")


def is_bearer(token_type: object) -> bool:
    """Whether a token of this type (RFC 7662 section 2.2) may be shown as a bearer's; one that says none may."""
    return not isinstance(token_type, str) or _plain(token_type) in _TOKEN_TYPES


def _plain(kind: str) -> str:
    return kind.strip().lower().removeprefix(_TYPE_URN)


def scopes_of(claims: Mapping[str, Any]) -> frozenset[str]:
    """The scopes of a token: a text with blanks between them, or an array."""
    return frozenset(scope for name in SCOPES for scope in _texts(claims.get(name)))


def are_held(required: frozenset[str], held: frozenset[str]) -> bool:
    """Whether a token has the scopes that are required.

    Entra ID has clients ask for `<App ID URI>/<scope>` and its tokens say `<scope>`: one that is written like a URI is
    held by its last part as well. Whose scope it is, is what the audience says.
    """
    return required <= held or all(each in held or _last_part(each) in held for each in required)


def _last_part(scope: str) -> str:
    return scope.rpartition("/")[2] if "://" in scope else scope


def _texts(value: object) -> list[str]:
    if isinstance(value, str):
        return value.split()
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []


def subject_of(claims: Mapping[str, Any]) -> str | None:
    """Whom a token speaks of; None where it says nobody."""
    subject = claims.get("sub")
    return subject if isinstance(subject, str) and subject else None


def is_for(claims: Mapping[str, Any], audience: str) -> bool:
    """Whether a token is meant for an audience (RFC 7519 section 4.1.3: a text, or an array of them)."""
    value = claims.get("aud")
    return audience in value if isinstance(value, list) else value == audience


def time_of(claims: Mapping[str, Any], name: str) -> float | None:
    """A NumericDate (RFC 7519 section 2), in text too as some introspection endpoints have it; None for no time."""
    value = claims.get(name)
    try:
        seconds = float(value) if isinstance(value, int | float | str) else math.nan
    except (ValueError, OverflowError):
        return None
    return seconds if math.isfinite(seconds) else None
