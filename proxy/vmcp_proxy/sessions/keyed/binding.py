"""The keyed digest that binds a session to its caller."""

import hashlib
import hmac

from vmcp_proxy.auth.identity import Identity
from vmcp_proxy.keys.keyring import KeyLabel, Keyring


def bind(keyring: Keyring, kid: str, identity: Identity) -> bytes:
    """32 bytes that stand for (issuer, subject), without telling either.

    For an anonymous caller the presence of `Authorization` counts too; for others it may come and go with
    the way the same caller proves who it is.
    """
    # A token may carry a lone surrogate; it must bind like any other text.
    fields = [text.encode(errors="surrogatepass") for text in (identity.issuer, identity.subject)]
    if identity.is_anonymous:
        fields.append(b"with" if identity.has_authorization else b"without")
    message = b"".join(len(part).to_bytes(4, "big") + part for part in fields)
    return hmac.digest(keyring.derive(kid, KeyLabel.IDENTITY), message, hashlib.sha256)


def is_bound(binding: bytes, keyring: Keyring, kid: str, identity: Identity) -> bool:
    """Whether a session with this binding belongs to this caller; takes the same time either way."""
    return hmac.compare_digest(binding, bind(keyring, kid, identity))
