"""What the claims of a token say of its caller."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

LEEWAY_SECONDS: Final = 60.0
"""How far the clocks of an issuer and of this machine may be apart."""

_SCOPE_CLAIMS: Final = ("scope", "scp")
"""RFC 8693 section 4.2, and what Entra ID and Okta say instead."""


@dataclass(frozen=True, slots=True)
class Claims:
    """The claims of a token that is good; `expires_at` is the moment from which it is refused, in Unix seconds."""

    subject: str = field(repr=False)
    scopes: frozenset[str]
    expires_at: float
    every: Mapping[str, Any] = field(repr=False)

    @classmethod
    def of(cls, claims: dict[str, Any], subject: str, expires: float) -> "Claims":
        """The claims of a token that `expires` by its own word."""
        return cls(subject, scopes_of(claims), expires + LEEWAY_SECONDS, MappingProxyType(claims))


def scopes_of(claims: Mapping[str, Any]) -> frozenset[str]:
    """The scopes of a token: a text with blanks between them, or an array."""
    return frozenset(scope for name in _SCOPE_CLAIMS for scope in _texts(claims.get(name)))


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
