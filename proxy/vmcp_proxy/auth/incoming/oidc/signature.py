"""Verifies a signed token by the key of its issuer: pure but for the clock."""

from typing import Final

import jwt

from vmcp_proxy.auth.incoming.oidc.base64url import decode
from vmcp_proxy.auth.incoming.oidc.claims import LEEWAY_SECONDS, Claims, read_claims, time_of
from vmcp_proxy.auth.incoming.oidc.flaw import COMPARED, TIMED, Flaw, Refused, shown, shown_time

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


def verify(token: bytes, key: jwt.PyJWK, issuer: str, audience: str) -> Claims | Refused:
    """The claims of a token that this issuer has signed with this key, for this audience, and that is valid now."""
    if not _is_signed(token, key):
        return Refused(Flaw.SIGNATURE)
    try:
        claims = jwt.decode(
            token, key, issuer=issuer, audience=audience, leeway=LEEWAY_SECONDS, options={"require": list(_REQUIRED)}
        )
    except jwt.MissingRequiredClaimError as error:
        return Refused(Flaw.CLAIMS, f"no {error.claim}")
    except jwt.DecodeError as error:
        return Refused(Flaw.SIGNATURE if isinstance(error, jwt.InvalidSignatureError) else Flaw.MALFORMED)
    except jwt.PyJWTError as error:
        flaw = next((flaw for kind, flaw in _FLAWS if isinstance(error, kind)), Flaw.MALFORMED)
        return Refused(flaw, _said(token, flaw))
    except RecursionError:
        return Refused(Flaw.MALFORMED)
    expires = time_of(claims, "exp")
    return Refused(Flaw.CLAIMS) if expires is None else read_claims(claims, expires)


def _is_signed(token: bytes, key: jwt.PyJWK) -> bool:
    """Whether the signature is good: asked first, because the library takes long over the text of a long token."""
    signed, _, signature = token.rpartition(b".")
    raw = decode(signature)
    return raw is not None and key.Algorithm.verify(signed, key.key, raw)


def _said(token: bytes, flaw: Flaw) -> str:
    """What a token whose signature is good says where it is wrong, as far as that is no secret."""
    name = COMPARED.get(flaw) or TIMED.get(flaw)
    if name is None:
        return ""
    try:
        claims = jwt.decode(token, options={"verify_signature": False})
    except jwt.PyJWTError:
        return ""
    return shown(claims.get(name, "")) if flaw in COMPARED else shown_time(time_of(claims, name))
