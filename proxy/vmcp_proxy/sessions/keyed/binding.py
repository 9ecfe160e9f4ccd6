"""The keyed digest that binds a session to its caller."""

import hashlib
import hmac

from vmcp_proxy.auth.identity import Identity
from vmcp_proxy.keys.keyring import KeyLabel, Keyring


def bind(keyring: Keyring, kid: str, identity: Identity) -> bytes:
    """32 bytes that stand for (issuer, subject), without telling either; see `Identity.canonical_bytes`."""
    return hmac.digest(keyring.derive(kid, KeyLabel.IDENTITY), identity.canonical_bytes, hashlib.sha256)


def is_bound(binding: bytes, keyring: Keyring, kid: str, identity: Identity) -> bool:
    """Whether a session with this binding belongs to this caller; takes the same time either way."""
    return hmac.compare_digest(binding, bind(keyring, kid, identity))
