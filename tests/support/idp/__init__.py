"""A small identity provider for tests: quick, and as faulty as a test wants it; what it was asked stays to be seen.

The real one beside it is `tests/support/keycloak/`.
"""

from tests.support.idp.acts import Act, hang_up, huge, oauth_error, once, says, slow
from tests.support.idp.keys import Key, hmac_signed, tampered, unsigned
from tests.support.idp.provider import Idp
from tests.support.idp.requests import ClientLogin, TokenRequest

__all__ = [
    "Act",
    "ClientLogin",
    "Idp",
    "Key",
    "TokenRequest",
    "hang_up",
    "hmac_signed",
    "huge",
    "oauth_error",
    "once",
    "says",
    "slow",
    "tampered",
    "unsigned",
]
