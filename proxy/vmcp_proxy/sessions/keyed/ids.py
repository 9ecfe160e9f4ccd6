"""Session ids: unguessable, signed, of constant size, checked without asking any store."""

import hashlib
import hmac
import re
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from typing import Final

from vmcp_proxy.keys.keyring import KeyLabel, Keyring

_VERSION: Final = "v1"
_NONCE_BYTES: Final = 32
_TAG_BYTES: Final = 16
# 48 bytes are exactly 64 characters: no padding and no spare bits, so that a token has one spelling only.
_FORM: Final = re.compile(r"v1\.([A-Za-z0-9_-]{1,32})\.([A-Za-z0-9_-]{64})")
_LONGEST: Final = 3 + 32 + 1 + 64


@dataclass(frozen=True, slots=True)
class SessionDigest:
    """A session's name outside this process: HMAC of its id, as 64 hex digits, under the key `kid`."""

    kid: str
    hex: str

    @property
    def ref(self) -> str:
        """The first 8 hex digits, enough to find a session in a log."""
        return self.hex[:8]

    def __repr__(self) -> str:
        return f"SessionDigest({self.ref})"


class SessionIds:
    """Mints ids of the form `v1.<kid>.<token>` and recognises its own."""

    __slots__ = ("keyring",)

    def __init__(self, keyring: Keyring) -> None:
        self.keyring = keyring

    def mint(self) -> str:
        """A new id, signed with the highest key."""
        kid = self.keyring.signing_kid
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return f"{_VERSION}.{kid}.{urlsafe_b64encode(nonce + self._tag(kid, nonce)).decode()}"

    def digest_of(self, session_id: str) -> SessionDigest | None:
        """The digest under which a session is stored; `None` for everything that was not minted with these keys."""
        if len(session_id) > _LONGEST or (form := _FORM.fullmatch(session_id)) is None:
            return None
        kid, token = form.groups()
        if kid not in self.keyring:
            return None
        raw = urlsafe_b64decode(token)
        if not hmac.compare_digest(raw[_NONCE_BYTES:], self._tag(kid, raw[:_NONCE_BYTES])):
            return None
        key = self.keyring.derive(kid, KeyLabel.REDIS_KEY)
        return SessionDigest(kid, hmac.digest(key, session_id.encode(), hashlib.sha256).hex())

    def _tag(self, kid: str, nonce: bytes) -> bytes:
        key = self.keyring.derive(kid, KeyLabel.SESSION)
        return hmac.digest(key, f"{_VERSION}.{kid}.".encode() + nonce, hashlib.sha256)[:_TAG_BYTES]
