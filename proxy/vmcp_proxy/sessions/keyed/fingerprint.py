"""The keyed fingerprint of a header snapshot: the only trace of it that other pods may see."""

import hashlib
import hmac

from vmcp_proxy.headerforward import HeaderSnapshot
from vmcp_proxy.keys.keyring import KeyLabel, Keyring


def fingerprint(keyring: Keyring, kid: str, session_id: str, snapshot: HeaderSnapshot) -> bytes:
    """32 bytes that tell whether two snapshots of one session are equal.

    The session id is part of it, so that equal headers of two sessions have nothing in common in the store.
    """
    name = session_id.encode()
    message = len(name).to_bytes(4, "big") + name + snapshot.canonical_bytes()
    return hmac.digest(keyring.derive(kid, KeyLabel.FINGERPRINT), message, hashlib.sha256)


def has_fingerprint(expected: bytes, keyring: Keyring, kid: str, session_id: str, snapshot: HeaderSnapshot) -> bool:
    """Whether a snapshot is the one that was taken at initialize; takes the same time either way."""
    return hmac.compare_digest(expected, fingerprint(keyring, kid, session_id, snapshot))
