"""What stands for a caller in the name of its buckets."""

import hashlib
import hmac

from vmcp_proxy.keys.keyring import KeyLabel, Keyring

_BYTES = 16


def user_key(keyring: Keyring, caller: bytes) -> str:
    """32 hex digits that tell callers apart and say nothing of them, by the key that signs sessions.

    Another signing key gives every caller other buckets, which are full.
    """
    key = keyring.derive(keyring.signing_kid, KeyLabel.RATE_LIMIT)
    return hmac.digest(key, caller, hashlib.sha256)[:_BYTES].hex()
