"""Sealed backend session tokens: what the store holds of them is ciphertext bound to its place."""

from vmcp_proxy.keys import aead
from vmcp_proxy.keys.keyring import KeyLabel, Keyring
from vmcp_proxy.sessions.keyed.ids import SessionDigest


def seal(keyring: Keyring, digest: SessionDigest, backend: str, token: bytes) -> bytes:
    """A token as ciphertext that is good only for this session and this backend."""
    return aead.seal(keyring.derive(digest.kid, KeyLabel.RECORD), token, _place(digest, backend))


def unseal(keyring: Keyring, digest: SessionDigest, backend: str, sealed: bytes) -> bytes | None:
    """The token, or `None` when the bytes were sealed elsewhere or changed."""
    return aead.unseal(keyring.derive(digest.kid, KeyLabel.RECORD), sealed, _place(digest, backend))


def _place(digest: SessionDigest, backend: str) -> bytes:
    return digest.hex.encode() + b"/" + backend.encode()
