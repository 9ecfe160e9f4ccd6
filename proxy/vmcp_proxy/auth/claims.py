"""The claims of a token: by the names that settings give them, and what stands for all of them."""

import json
from collections.abc import Collection, Mapping
from hashlib import blake2b
from typing import Any, Final

SCOPES: Final = ("scope", "scp")
"""Claims that are a list with blanks where they are text: RFC 8693 section 4.2, and what Entra ID and Okta say."""

OF_ONE_TOKEN: Final = frozenset({"exp", "iat", "nbf", "jti", "uti", "aio", "rh"})
"""Claims that are others in each token, whatever its caller may (RFC 7519 section 4.1; the last three: Entra ID)."""

_DIGEST_BYTES: Final = 16


def find_claim(claims: Mapping[str, Any], name: str) -> object:
    """A claim by its whole name (`https://example.com/groups`), else by a path (`realm_access.roles`)."""
    if name in claims:
        return claims[name]
    value: Any = claims
    for part in name.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def canonical(claims: Mapping[str, Any]) -> str:
    """Claims as one text: equal for those alone that are equal in value and type, by whichever order.

    To Python `True`, `1` and `1.0` are equal, to policies and backends they are not. Half a surrogate pair, which JSON
    may hold, stays what it is.

    Raises:
        RecursionError: they are nested too deeply.
    """
    return json.dumps(dict(claims), ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def fingerprint(claims: Mapping[str, Any], without: Collection[str] = ()) -> bytes:
    """Stands for claims, but for some of them; see `canonical`."""
    kept = {name: value for name, value in claims.items() if name not in without} if without else claims
    return blake2b(canonical(kept).encode(errors="surrogatepass"), digest_size=_DIGEST_BYTES).digest()


def are_same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two tokens say the same; quick where what they say is one object."""
    return one is other or (one == other and canonical(one) == canonical(other))
