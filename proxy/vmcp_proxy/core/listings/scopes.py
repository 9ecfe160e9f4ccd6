"""Who may share a listing: those for whom a backend says the same things (ADR-0018)."""

from hashlib import blake2b
from typing import Final

from vmcp_proxy.headerforward import HeaderSnapshot
from vmcp_proxy.keys.keyring import KeyLabel, Keyring

SHARED: Final = "shared"
"""What the backend says to the proxy itself: no client's headers, no client's capabilities."""

_DIGEST_BYTES: Final = 8
_HEADER_DIGEST_BYTES: Final = 16
_NOTHING: Final = b"{}"


def audience(capabilities: bytes) -> str:
    """Stands for the capabilities that backends hear of; empty for none."""
    return "" if capabilities == _NOTHING else blake2b(capabilities, digest_size=_DIGEST_BYTES).hexdigest()


def header_digest(keyring: Keyring, snapshot: HeaderSnapshot) -> str:
    """Stands for a client's headers: keyed, so that no scope lets a header value be guessed."""
    key = keyring.derive(keyring.signing_kid, KeyLabel.CACHE)
    return blake2b(snapshot.canonical_bytes(), key=key, digest_size=_HEADER_DIGEST_BYTES).hexdigest()


def scope(audience: str, headers: str) -> str:
    """The scope for an audience, and for headers of a client by their keyed digest; both may be empty."""
    if headers:
        return f"{headers}/{audience}"
    return f"{SHARED}/{audience}" if audience else SHARED


def headers_of(scope: str) -> str:
    """What of a scope stands for the client's headers: equal for those who differ by their capabilities alone."""
    return scope.partition("/")[0]


def is_public(scope: str) -> bool:
    """Whether no client's headers stand behind what is listed there."""
    return scope.startswith(SHARED)
