"""Names of pods: random per process, so that nobody can listen in another's place by guessing."""

import re
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Final

POD_NAME_BYTES: Final = 16
EVERYONE: Final = "all"
"""Stands where a pod's name does for what all of them are told."""

_FORM: Final = re.compile(r"[A-Za-z0-9_-]{21}[AQgw]")


def new_pod_name() -> str:
    """22 characters of URL-safe base64."""
    return encode_pod_name(secrets.token_bytes(POD_NAME_BYTES))


def encode_pod_name(raw: bytes) -> str:
    """The name that stands for 16 bytes."""
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def decode_pod_name(name: str) -> bytes:
    """The 16 bytes of a name.

    Raises:
        ValueError: it is no pod's name.
    """
    if not is_pod_name(name):
        raise ValueError("not the name of a pod")
    return urlsafe_b64decode(name + "==")


def is_pod_name(text: str) -> bool:
    """Whether a text has the one spelling of a pod's name."""
    return _FORM.fullmatch(text) is not None
