"""Exposed names: composed, then made to fit what MCP clients and model providers accept."""

import re
from base64 import b32encode
from hashlib import sha256
from typing import Final

_FORBIDDEN: Final = re.compile(r"[^A-Za-z0-9_.-]")
_TAG_LENGTH: Final = 8


def add_prefix(prefix_format: str, workload: str, name: str) -> str:
    """The name with its backend's prefix; `prefix_format` holds `{workload}` once."""
    return prefix_format.replace("{workload}", workload) + name


def may_bear_prefix(name: str, prefix: str, limit: int) -> bool:
    """Whether an exposed name may have been composed with this prefix, which a short limit may have cut."""
    return name.startswith(kept_beginning(prefix, limit)) and (name.startswith(prefix) or len(name) == limit)


def kept_beginning(prefix: str, limit: int) -> str:
    """What of a prefix stands at the beginning of every name that was composed with it, however long it got."""
    return prefix[: limit - _TAG_LENGTH - 1]


def fit_name(wanted: str, *, backend: str, original: str, limit: int) -> str:
    """The exposed name: `wanted` itself where it has at most `limit` characters, all of `[A-Za-z0-9_.-]`.

    Else its beginning (other characters as `_`), `_`, and 8 lower-case base32 characters of
    SHA-256(backend, original name): the same after every restart, different for everything that differs.
    """
    if len(wanted) <= limit and not _FORBIDDEN.search(wanted):
        return wanted
    beginning = _FORBIDDEN.sub("_", wanted[: limit - _TAG_LENGTH - 1])
    return f"{beginning}_{_tag(backend, original)}"


def _tag(backend: str, original: str) -> str:
    # Lengths stand before the parts: ("ab", "c") must not hash like ("a", "bc").
    parts = (backend.encode(), original.encode())
    framed = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
    return b32encode(sha256(framed).digest())[:_TAG_LENGTH].decode().lower()
