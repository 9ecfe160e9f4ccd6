"""The id that a request to the client carries, so that any pod can tell whose answer comes back (ADR-0023)."""

import re
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from vmcp_proxy.keys.keyring import KeyLabel, Keyring
from vmcp_proxy.pods.name import POD_NAME_BYTES, decode_pod_name, encode_pod_name
from vmcp_proxy.sessions.keyed.ids import SessionDigest

_NONCE_BYTES: Final = 12
# With these 7 a token has 51 bytes, which are exactly 68 characters: no padding and one spelling only.
_NUMBER_BYTES: Final = 7
_FORM: Final = re.compile(r"[A-Za-z0-9_-]{68}")


def mint(keyring: Keyring, digest: SessionDigest, pod: str, number: int) -> str:
    """68 URL-safe characters that stand for a pod and a number of its own, below 2**56, in this session only.

    Sealed under the key of the session's id, which the session does not outlive.

    Raises:
        ValueError: `pod` is no pod's name.
        OverflowError: the number is negative or too large.
        KeyError: the key was taken away, and the session with it.
    """
    plain = decode_pod_name(pod) + number.to_bytes(_NUMBER_BYTES, "big")
    nonce = secrets.token_bytes(_NONCE_BYTES)
    cipher = AESGCM(keyring.derive(digest.kid, KeyLabel.REPLY))
    return urlsafe_b64encode(nonce + cipher.encrypt(nonce, plain, digest.hex.encode())).decode()


def open_token(keyring: Keyring, digest: SessionDigest, text: str) -> tuple[str, int] | None:
    """The pod and its number; `None` for everything that was not minted for this session with these keys."""
    if not _FORM.fullmatch(text) or digest.kid not in keyring:
        return None
    raw = urlsafe_b64decode(text)
    cipher = AESGCM(keyring.derive(digest.kid, KeyLabel.REPLY))
    try:
        plain = cipher.decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], digest.hex.encode())
    except InvalidTag:
        return None
    return encode_pod_name(plain[:POD_NAME_BYTES]), int.from_bytes(plain[POD_NAME_BYTES:], "big")
