"""CA bundles as OpenSSL takes them."""

import ssl
from functools import lru_cache
from typing import Final

BUNDLE_REMEDY: Final = "put PEM there: -----BEGIN CERTIFICATE-----, base64, -----END CERTIFICATE-----"

_REMEMBERED: Final = 16
"""Bundles whose outcome is kept; each is at most 1 MiB, and members mostly share one."""


def to_ascii(bundle: str) -> str:
    """A bundle without what is no ASCII: names of authorities stand in comments, and Python refuses them there."""
    return bundle if bundle.isascii() else bundle.encode("ascii", "ignore").decode()


@lru_cache(maxsize=_REMEMBERED)
def find_bundle_flaw(bundle: str) -> str | None:
    """What keeps OpenSSL, by which backends are verified, from taking a CA bundle; None where it takes it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(cadata=to_ascii(bundle))
    except (ssl.SSLError, ValueError):
        return "holds no usable PEM certificate"
    return None
