"""The id that a request to the client carries, so that any pod can tell whose answer comes back (ADR-0023)."""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Final

from vmcp_proxy.keys import aead
from vmcp_proxy.keys.keyring import KeyLabel, Keyring
from vmcp_proxy.pods.name import POD_NAME_BYTES, decode_pod_name, encode_pod_name
from vmcp_proxy.sessions.keyed.ids import SessionDigest

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
    sealed = aead.seal(keyring.derive(digest.kid, KeyLabel.REPLY), plain, digest.hex.encode())
    return urlsafe_b64encode(sealed).decode()


def open_token(keyring: Keyring, digest: SessionDigest, text: str) -> tuple[str, int] | None:
    """The pod and its number; `None` for everything that was not minted for this session with these keys."""
    if not _FORM.fullmatch(text) or digest.kid not in keyring:
        return None
    key = keyring.derive(digest.kid, KeyLabel.REPLY)
    plain = aead.unseal(key, urlsafe_b64decode(text), digest.hex.encode())
    if plain is None:
        return None
    return encode_pod_name(plain[:POD_NAME_BYTES]), int.from_bytes(plain[POD_NAME_BYTES:], "big")
