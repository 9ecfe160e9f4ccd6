"""The key set of an issuer (RFC 7517): found by name, made usable when first needed."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple, Self

from jwt import PyJWK, PyJWTError


class KeyShape(NamedTuple):
    """The kind of key that an algorithm works with; `curve` is empty for RSA."""

    kind: str
    curve: str = ""


SHAPES: Final[Mapping[str, KeyShape]] = MappingProxyType(
    {f"{family}{size}": KeyShape("RSA") for family in ("RS", "PS") for size in (256, 384, 512)}
    | {"ES256": KeyShape("EC", "P-256"), "ES384": KeyShape("EC", "P-384"), "ES512": KeyShape("EC", "P-521")}
)
"""The algorithms that are taken (RFC 7518 section 3.1), all of them with public keys, and the keys that they take."""

_PUBLIC: Final = frozenset({"kty", "n", "e", "crv", "x", "y"})
_SIGNATURES: Final = "sig"
_VERIFY: Final = "verify"
_LEAST_RSA_BITS: Final = 2048
"""RFC 7518 sections 3.3 and 3.5."""


class KeySet:
    """The keys of a JWKS by name; those without one, or of a kind that is not taken, are left out."""

    __slots__ = ("_jwks", "_made")

    def __init__(self, jwks: Mapping[str, tuple[Mapping[str, Any], ...]]) -> None:
        self._jwks: Final = jwks
        self._made: Final[dict[tuple[str, str], PyJWK | None]] = {}

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Self:
        """The usable keys of a JWKS; whatever else stands in it costs itself only."""
        found: dict[str, list[Mapping[str, Any]]] = {}
        listed = document.get("keys")
        for jwk in listed if isinstance(listed, list) else ():
            if isinstance(jwk, dict) and isinstance(kid := jwk.get("kid"), str) and _is_for_signatures(jwk):
                found.setdefault(kid, []).append(jwk)
        return cls({kid: tuple(jwks) for kid, jwks in found.items()})

    def __len__(self) -> int:
        return len(self._jwks)

    def __contains__(self, kid: object) -> bool:
        return kid in self._jwks

    def __repr__(self) -> str:
        return f"KeySet({sorted(self._jwks)})"

    def find(self, kid: str, algorithm: str) -> PyJWK | None:
        """The key of a name for one of `SHAPES`; None where there is none that this algorithm may be used with."""
        known = kid, algorithm
        if known not in self._made and kid in self._jwks:
            self._made[known] = next(filter(None, (_make(jwk, algorithm) for jwk in self._jwks[kid])), None)
        return self._made.get(known)


def _is_for_signatures(jwk: Mapping[str, Any]) -> bool:
    operations = jwk.get("key_ops")
    is_for = jwk.get("use", _SIGNATURES) == _SIGNATURES
    return is_for and (not isinstance(operations, list) or _VERIFY in operations)


def _make(jwk: Mapping[str, Any], algorithm: str) -> PyJWK | None:
    shape = SHAPES[algorithm]
    if KeyShape(jwk.get("kty", ""), jwk.get("crv", "")) != shape or jwk.get("alg", algorithm) != algorithm:
        return None
    try:
        # The public half alone, should an issuer show more.
        key = PyJWK({name: value for name, value in jwk.items() if name in _PUBLIC}, algorithm)
    except (PyJWTError, TypeError, ValueError, AttributeError):
        return None
    return key if shape.kind != "RSA" or key.key.key_size >= _LEAST_RSA_BITS else None
