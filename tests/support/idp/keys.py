"""Signing keys, their JWKs (RFC 7517), and tokens that nobody may accept."""

import base64
import functools
import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

_CURVES = {"ES256": ec.SECP256R1, "ES384": ec.SECP384R1, "ES512": ec.SECP521R1}


@functools.cache
def _rsa(number: int) -> rsa.RSAPrivateKey:
    """An RSA key of this process; to make one takes long, so tests share them by number."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@dataclass(frozen=True)
class Key:
    """A private key: two with different `number` never share their RSA key; `kid=None` is a key without a name."""

    kid: str | None = "key-1"
    alg: str = "RS256"
    number: int = 1
    private: Any = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.alg in _CURVES:
            private: Any = ec.generate_private_key(_CURVES[self.alg]())
        elif self.alg == "EdDSA":
            private = ed25519.Ed25519PrivateKey.generate()
        else:
            private = _rsa(self.number)
        object.__setattr__(self, "private", private)

    @property
    def jwk(self) -> dict[str, Any]:
        """The public half, as a JWKS holds it."""
        public = jwt.get_algorithm_by_name(self.alg).to_jwk(self.private.public_key(), as_dict=True)
        named = {} if self.kid is None else {"kid": self.kid}
        return {**public, **named, "alg": self.alg, "use": "sig"}

    @property
    def public_pem(self) -> bytes:
        return self.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    def sign(self, claims: Mapping[str, Any], **header: Any) -> str:
        """A JWT; `header` are further members of its header, or other values of usual ones."""
        named = {} if self.kid is None else {"kid": self.kid}
        return jwt.encode(dict(claims), self.private, self.alg, headers={**named, **header})


def unsigned(claims: Mapping[str, Any], **header: Any) -> str:
    """A JWT with `alg: none` and no signature."""
    return f"{_encoded({'alg': 'none', 'typ': 'JWT', **header})}.{_encoded(claims)}."


def hmac_signed(secret: bytes, claims: Mapping[str, Any], **header: Any) -> str:
    """A JWT with `alg: HS256`; with a public key as its secret it is the well-known confusion of algorithms."""
    signed = f"{_encoded({'alg': 'HS256', 'typ': 'JWT', **header})}.{_encoded(claims)}"
    return f"{signed}.{_base64(hmac.digest(secret, signed.encode(), hashlib.sha256))}"


def tampered(token: str, **claims: Any) -> str:
    """A JWT whose claims were changed after it was signed."""
    header, payload, signature = token.split(".")
    before = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return f"{header}.{_encoded({**before, **claims})}.{signature}"


def _encoded(value: Mapping[str, Any]) -> str:
    return _base64(json.dumps(value).encode())


def _base64(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()
