"""The forms of an access token: what stands in `Authorization`, and the head of one that is signed."""

from typing import Final

import msgspec

from vmcp_proxy.auth.incoming.oidc.base64url import decode

MAX_TOKEN_BYTES: Final = 16 << 10
"""Of the longest token that is looked at; checking one takes time that grows with its length."""

_SCHEME: Final = b"bearer"
_TOKEN68: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/"
_TYPES: Final = frozenset({"", "jwt", "at+jwt"})
_MEDIA_TYPE: Final = "application/"


class TokenHead(msgspec.Struct, frozen=True, gc=False):
    """What decides by which key and algorithm a JWS is verified (RFC 7515 section 4.1); nobody vouches for it yet."""

    alg: str
    kid: str = ""
    typ: str = ""

    @property
    def is_access_token(self) -> bool:
        """Whether it may be one by its type (RFC 9068 section 2.1): a logout token or a proof is none."""
        return self.typ.lower().removeprefix(_MEDIA_TYPE) in _TYPES


def bearer_token(authorization: bytes) -> bytes | None:
    """What follows the scheme Bearer, in any case (RFC 9110 section 11.1); None for another scheme."""
    scheme, _, rest = authorization.partition(b" ")
    return rest.strip(b" ") if scheme.lower() == _SCHEME else None


def is_well_formed(token: bytes) -> bool:
    """Whether these are the characters of a token (RFC 6750 section 2.1), not too many of them."""
    text = token.rstrip(b"=")
    return 0 < len(text) <= len(token) <= MAX_TOKEN_BYTES and not text.translate(None, _TOKEN68)


def read_head(token: bytes) -> TokenHead | None:
    """The head of a JWS in its compact form (RFC 7515 section 7.1); None where the token is none, and thus opaque."""
    parts = token.split(b".")
    if len(parts) != 3:  # noqa: PLR2004 - head, payload, signature
        return None
    raw = decode(parts[0])
    try:
        return None if raw is None else msgspec.json.decode(raw, type=TokenHead)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
