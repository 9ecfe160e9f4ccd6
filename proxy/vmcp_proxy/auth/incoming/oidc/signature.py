"""Verifies a signed token by the key of its issuer: pure but for the clock."""

from enum import Enum
from typing import Final

import jwt

from vmcp_proxy.auth.incoming.oidc.base64url import decode
from vmcp_proxy.auth.incoming.oidc.claims import LEEWAY_SECONDS, Claims, subject_of, time_of


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
    NO_INTROSPECTION = "it is opaque, and no introspection is set up"
    INACTIVE = "the introspection endpoint says that it is not active"


_FLAWS: Final[tuple[tuple[type[jwt.PyJWTError], Flaw], ...]] = (
    (jwt.InvalidSignatureError, Flaw.SIGNATURE),
    (jwt.ExpiredSignatureError, Flaw.EXPIRED),
    (jwt.ImmatureSignatureError, Flaw.NOT_YET),
    (jwt.InvalidIssuerError, Flaw.ISSUER),
    (jwt.InvalidAudienceError, Flaw.AUDIENCE),
    (jwt.InvalidAlgorithmError, Flaw.ALGORITHM),
    (jwt.InvalidTokenError, Flaw.CLAIMS),
)
"""The first that fits names the flaw."""

_REQUIRED: Final = ("exp", "iss", "aud")


def verify(token: bytes, key: jwt.PyJWK, issuer: str, audience: str) -> Claims | Flaw:
    """The claims of a token that this issuer has signed with this key, for this audience, and that is valid now."""
    if not _is_signed(token, key):
        return Flaw.SIGNATURE
    try:
        claims = jwt.decode(
            token, key, issuer=issuer, audience=audience, leeway=LEEWAY_SECONDS, options={"require": list(_REQUIRED)}
        )
    except jwt.MissingRequiredClaimError:
        return Flaw.CLAIMS
    except jwt.DecodeError as error:
        return Flaw.SIGNATURE if isinstance(error, jwt.InvalidSignatureError) else Flaw.MALFORMED
    except jwt.PyJWTError as error:
        return next((flaw for kind, flaw in _FLAWS if isinstance(error, kind)), Flaw.MALFORMED)
    subject, expires = subject_of(claims), time_of(claims, "exp")
    if subject is None:
        return Flaw.NO_SUBJECT
    return Flaw.CLAIMS if expires is None else Claims.of(claims, subject, expires)


def _is_signed(token: bytes, key: jwt.PyJWK) -> bool:
    """Whether the signature is good: asked first, because the library takes long over the text of a long token."""
    signed, _, signature = token.rpartition(b".")
    raw = decode(signature)
    return raw is not None and key.Algorithm.verify(signed, key.key, raw)
