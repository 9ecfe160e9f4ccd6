"""How long a list may be kept, and whether by anybody: what backends say of theirs (MCP 2026-07-28, "Caching")."""

import math
from collections.abc import Iterable
from typing import Final

import msgspec

from vmcp_proxy.protocol.params import InvalidParamsError, Members, optional_text_of

_LONGEST_SECONDS: Final = 86_400.0
_DIGITS: Final = 15


class CacheHints(msgspec.Struct, frozen=True, gc=False):
    """What a backend says of a list: seconds from its reading, and whether it is the same for all callers."""

    ttl: float = 0.0
    is_public: bool = False


class Cacheable(msgspec.Struct, frozen=True, gc=False):
    """The same of what is made of several lists: until when in loop time, which may have passed."""

    until: float = -math.inf
    is_public: bool = False


NOT_CACHEABLE: Final = Cacheable()


def read_hints(members: Members) -> CacheHints:
    """The hints of a result; what is absent or odd counts as out of date at once, and as for one caller."""
    written = bytes(members.get("ttlMs", b""))
    ttl = int(written) / 1000 if written.isdigit() and len(written) <= _DIGITS else 0.0
    try:
        scope = optional_text_of(members, "cacheScope")
    except InvalidParamsError:
        scope = None
    return CacheHints(min(ttl, _LONGEST_SECONDS), scope == "public")


def narrowest(hints: Iterable[CacheHints]) -> CacheHints | None:
    """What holds for all of several lists; None for none."""
    known = tuple(hints)
    if not known:
        return None
    return CacheHints(min(each.ttl for each in known), all(each.is_public for each in known))
