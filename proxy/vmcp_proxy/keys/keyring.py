"""The keys that protect sessions: one secret per key id, one derived key per purpose."""

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Final, Self

from vmcp_api.session_keys import KEY_ID_PATTERN, rank

KEY_BYTES: Final = 32
"""Size of a secret and of every key derived from it."""

_KID: Final = re.compile(KEY_ID_PATTERN)


class KeyLabel(StrEnum):
    """What a derived key is for; no two purposes share one."""

    SESSION = "session"
    REDIS_KEY = "redis-key"
    IDENTITY = "identity"
    FINGERPRINT = "fingerprint"
    CACHE = "cache"
    RECORD = "record"
    REQUEST_STATE = "request-state"
    POD_MESSAGE = "pod-message"
    REPLY = "reply"
    RATE_LIMIT = "rate-limit"


class BadKeyError(ValueError):
    """An entry of the key Secret cannot be used; the text names the entry, never its content."""

    def __init__(self, kid: str, problem: str) -> None:
        super().__init__(f"session key {kid!r}: {problem}")
        self.kid = kid


class Keyring:
    """Secrets by key id: one signs, the highest unless another is chosen, and every id verifies.

    Ids rank as `vmcp_api.session_keys.rank` has it. `repr` shows the ids only.
    """

    __slots__ = ("_derived", "_secrets", "signing_kid")

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        if not keys:
            raise BadKeyError("", f"there is none; add an entry with {KEY_BYTES} random bytes")
        for kid, secret in keys.items():
            if not _KID.fullmatch(kid):
                raise BadKeyError(kid, "an id has 1 to 32 letters, digits, hyphens or underscores")
            if len(secret) != KEY_BYTES:
                raise BadKeyError(kid, f"it has {len(secret)} bytes instead of {KEY_BYTES}")
        self._secrets: Final = {kid: bytes(secret) for kid, secret in keys.items()}
        self._derived: Final[dict[tuple[str, KeyLabel], bytes]] = {}
        self.signing_kid = max(self._secrets, key=rank)

    @classmethod
    def of(cls, keys: Mapping[str, bytes]) -> Self:
        """The keyring of a Secret's entries.

        Raises:
            BadKeyError: an id or a size is wrong, or there is no entry.
        """
        return cls(keys)

    @classmethod
    def random(cls) -> Self:
        """A keyring of this process alone, for local mode: what it signs dies with the process."""
        return cls({"0": secrets.token_bytes(KEY_BYTES)})

    def signed_by(self, kid: str) -> "Keyring":
        """The same keys, of which this one signs.

        Raises:
            KeyError: there is no such key id.
        """
        if kid == self.signing_kid:
            return self
        self._secrets[kid]
        ring = Keyring(self._secrets)
        ring._derived.update(self._derived)
        ring.signing_kid = kid
        return ring

    def derive(self, kid: str, label: KeyLabel) -> bytes:
        """The key for one purpose, by HKDF-SHA256 (RFC 5869); computed once.

        Raises:
            KeyError: there is no such key id.
        """
        key = self._derived.get((kid, label))
        if key is None:
            key = self._derived[kid, label] = _hkdf(self._secrets[kid], b"vmcp/" + label.encode())
        return key

    def has_same_key(self, kid: str, other: "Keyring") -> bool:
        """Whether both keyrings hold the same secret under this id."""
        if kid not in self or kid not in other:
            return False
        # Two secrets have the same derived key only if they are the same.
        mine, theirs = (ring.derive(kid, KeyLabel.SESSION) for ring in (self, other))
        return secrets.compare_digest(mine, theirs)

    def keeps(self, former: "Keyring") -> bool:
        """Whether every secret of a former keyring is here, under the same id."""
        return all(self.has_same_key(kid, former) for kid in former)

    def is_same(self, other: "Keyring") -> bool:
        """Whether both keyrings hold the same secrets under the same ids."""
        return set(self) == set(other) and all(self.has_same_key(kid, other) for kid in self)

    def __contains__(self, kid: object) -> bool:
        return kid in self._secrets

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._secrets, key=rank))

    def __repr__(self) -> str:
        return f"Keyring({', '.join(self)})"


def _hkdf(secret: bytes, info: bytes) -> bytes:
    """HKDF-SHA256 without salt (RFC 5869): the key is as long as the hash, so that one block of it is all."""
    key = hmac.digest(bytes(hashlib.sha256().digest_size), secret, hashlib.sha256)
    return hmac.digest(key, info + b"\x01", hashlib.sha256)
