"""Who may share a listing: those for whom a backend says the same things (ADR-0018)."""

from collections.abc import Callable
from hashlib import blake2b
from typing import Final

import msgspec

from vmcp_proxy.auth.identity import Identity
from vmcp_proxy.headerforward import HeaderSnapshot
from vmcp_proxy.keys.keyring import KeyLabel, Keyring

_DIGEST_BYTES: Final = 8
_KEYED_DIGEST_BYTES: Final = 16
_NOTHING: Final = b"{}"


class Scope(msgspec.Struct, frozen=True, gc=False):
    """Whom a listing was told to: equal scopes share it, others never see it.

    `audience` stands for the capabilities that the backend heard of, `snapshot` for the client's passthrough headers,
    by a keyed digest, `identity` for the caller and what its token says, where the backend gets credentials of its own
    for each; any may be empty. Where the backend gets no request of the caller, why not stands in the place of the
    headers: with another token the same caller may be served.
    """

    audience: str = ""
    snapshot: str = ""
    identity: str = ""

    @property
    def is_public(self) -> bool:
        """Whether no client's credentials stand behind what is listed here."""
        return not self.snapshot and not self.identity

    @property
    def for_any_audience(self) -> "Scope":
        """The scope without the audience: equal for those who differ by their capabilities alone."""
        return Scope("", self.snapshot, self.identity) if self.audience else self


SHARED: Final = Scope()
"""What the backend says to the proxy itself: no client's credentials, no client's capabilities."""


def audience(capabilities: bytes) -> str:
    """Stands for the capabilities that backends hear of; empty for none."""
    return "" if capabilities == _NOTHING else blake2b(capabilities, digest_size=_DIGEST_BYTES).hexdigest()


class Digests:
    """Stand for what is a client's own: keyed, so that no scope lets a header value or a name be guessed."""

    __slots__ = ("_keyring",)

    def __init__(self, keyring: Callable[[], Keyring]) -> None:
        self._keyring: Final = keyring

    def of_headers(self, snapshot: HeaderSnapshot) -> str:
        """Stands for a client's headers; empty for none."""
        return "" if snapshot.is_empty else self._digest(b"headers", snapshot.canonical_bytes())

    def of_identity(self, identity: Identity) -> str:
        """Stands for who the caller is and what its token says: with another scope a backend may list other things.

        A token that is refreshed, and says the same, keeps what was listed.
        """
        return self._digest(b"identity", identity.canonical_bytes + identity.grant)

    def _digest(self, what: bytes, content: bytes) -> str:
        keyring = self._keyring()
        key = keyring.derive(keyring.signing_kid, KeyLabel.CACHE)
        return blake2b(content, key=key, person=what, digest_size=_KEYED_DIGEST_BYTES).hexdigest()
