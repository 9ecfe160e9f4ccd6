"""The sealed form in which a message travels to another pod."""

from dataclasses import dataclass
from typing import Final

import msgspec

from vmcp_proxy.keys import aead
from vmcp_proxy.keys.keyring import KeyLabel, Keyring

MOST_BODY_BYTES: Final = 1 << 20
"""Largest body of a message."""

_MOST_SEALED_BYTES: Final = MOST_BODY_BYTES + 1024


class PodMessage(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What one pod tells another about a session; `at` is Unix time in seconds, `sender` a pod's name."""

    at: float
    sender: str
    kind: str
    digest: str
    body: bytes

    def __repr__(self) -> str:
        """Without the body: what clients answer stands there."""
        return f"PodMessage({self.kind!r}, {self.digest[:8]}, {len(self.body)} bytes)"


@dataclass(frozen=True, slots=True)
class Opened:
    """A message that was meant for this pod; `name` is unique, `kid` the key that it came under."""

    name: bytes
    kid: str
    message: PodMessage


def seal_message(keyring: Keyring, kid: str, receiver: str, message: PodMessage) -> tuple[bytes, bytes]:
    """The name of a message and its sealed form: key id with its length before it, nonce, AES-256-GCM.

    Good for one receiver only; session, kind and time are inside. The nonce is random and so a name too.
    """
    plain = msgspec.msgpack.encode(message)
    sealed = aead.seal(keyring.derive(kid, KeyLabel.POD_MESSAGE), plain, receiver.encode())
    return sealed[: aead.NONCE_BYTES], bytes((len(kid),)) + kid.encode() + sealed


def open_message(keyring: Keyring, receiver: str, raw: bytes) -> Opened | None:
    """The message, or `None` when the bytes are for another pod, under an unknown key, changed or too many."""
    if not raw or len(raw) > _MOST_SEALED_BYTES:
        return None
    start = 1 + raw[0]
    kid = raw[1:start].decode("ascii", "replace")
    if kid not in keyring:
        return None
    sealed = raw[start:]
    plain = aead.unseal(keyring.derive(kid, KeyLabel.POD_MESSAGE), sealed, receiver.encode())
    if plain is None:
        return None
    try:
        return Opened(sealed[: aead.NONCE_BYTES], kid, msgspec.msgpack.decode(plain, type=PodMessage))
    except msgspec.DecodeError:
        # Of a form that another version of this program sends.
        return None
