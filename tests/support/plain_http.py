"""Clients of what is served without TLS."""

import ssl
from typing import Any, Final

import httpx2

_NO_ROOTS: Final = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Trusts nobody: a client by default reads all the roots of the world, which takes longer than most of the tests."""


def http_client(**options: Any) -> httpx2.AsyncClient:
    """A client for `http:` URLs that no variable of the environment leads elsewhere."""
    return httpx2.AsyncClient(verify=_NO_ROOTS, trust_env=False, **options)
