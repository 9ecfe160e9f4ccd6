"""How a client says who it is to its authorization server (RFC 6749 section 2.3.1)."""

import base64
from urllib.parse import quote_plus


def basic(client_id: str, secret: bytes) -> bytes:
    """The value of `Authorization` for `client_secret_basic`.

    Both are form-encoded first, so that a colon in the name does no harm.
    """
    pair = f"{quote_plus(client_id)}:{quote_plus(secret)}"
    return b"Basic " + base64.b64encode(pair.encode("ascii"))
