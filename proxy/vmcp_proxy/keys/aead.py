"""Authenticated encryption for what leaves this process: AES-256-GCM with a random nonce (NIST SP 800-38D).

The library is loaded by the first use: without Redis, and where no call pauses, nothing leaves the process.
"""

import secrets
from typing import Final

NONCE_BYTES: Final = 12
"""How many bytes of a sealed value are its nonce; they stand first."""


def seal(key: bytes, plain: bytes, associated_data: bytes) -> bytes:
    """Nonce, ciphertext and tag: 28 bytes more than `plain`.

    `key` has 32 bytes and is derived for one purpose (`Keyring.derive`). `associated_data` names the place that
    the value is good for; it is not part of the value.
    """
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415

    nonce = secrets.token_bytes(NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, plain, associated_data)


def unseal(key: bytes, sealed: bytes, associated_data: bytes) -> bytes | None:
    """What was sealed, or `None` for bytes that were sealed under another key, for another place, or changed."""
    from cryptography.exceptions import InvalidTag  # noqa: PLC0415
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415

    try:
        return AESGCM(key).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], associated_data)
    except (InvalidTag, ValueError):
        # ValueError: too short to hold a nonce.
        return None
