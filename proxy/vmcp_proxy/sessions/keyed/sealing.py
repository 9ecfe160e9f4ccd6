"""Sealed backend session tokens: what the store holds of them is ciphertext bound to its place."""

import secrets
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from vmcp_proxy.keys.keyring import KeyLabel, Keyring
from vmcp_proxy.sessions.keyed.ids import SessionDigest

_NONCE_BYTES: Final = 12


def seal(keyring: Keyring, digest: SessionDigest, backend: str, token: bytes) -> bytes:
    """AES-256-GCM of a token, good only for this session and this backend: nonce, ciphertext, tag."""
    nonce = secrets.token_bytes(_NONCE_BYTES)
    cipher = AESGCM(keyring.derive(digest.kid, KeyLabel.RECORD))
    return nonce + cipher.encrypt(nonce, token, _place(digest, backend))


def unseal(keyring: Keyring, digest: SessionDigest, backend: str, sealed: bytes) -> bytes | None:
    """The token, or `None` when the bytes were sealed elsewhere or changed."""
    cipher = AESGCM(keyring.derive(digest.kid, KeyLabel.RECORD))
    try:
        return cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], _place(digest, backend))
    except (InvalidTag, ValueError):
        # ValueError: too short to hold a nonce.
        return None


def _place(digest: SessionDigest, backend: str) -> bytes:
    return digest.hex.encode() + b"/" + backend.encode()
