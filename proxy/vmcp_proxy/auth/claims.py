"""The claims of a token, by the names that settings give them."""

from collections.abc import Mapping
from typing import Any


def find_claim(claims: Mapping[str, Any], name: str) -> object:
    """A claim by its whole name (`https://example.com/groups`), else by a path (`realm_access.roles`)."""
    if name in claims:
        return claims[name]
    value: Any = claims
    for part in name.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value
