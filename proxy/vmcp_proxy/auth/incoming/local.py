"""Every caller is the user of this machine."""

import getpass
import os

from vmcp_proxy.auth.identity import LOCAL_ISSUER, Identity
from vmcp_proxy.auth.incoming.authenticator import Noted, Source


class LocalAuthenticator:
    """Takes every caller for the user that runs the process: only for listeners on loopback."""

    __slots__ = ("_identity",)

    def __init__(self, user: str) -> None:
        self._identity = Identity(LOCAL_ISSUER, user)

    def recognise(self, authorization: bytes | None, noted: Noted | None) -> Identity:  # noqa: ARG002
        return self._identity

    async def authenticate(self, authorization: bytes | None, source: Source) -> Identity:  # noqa: ARG002
        return self._identity


def operating_system_user() -> str:
    """Name of the user that runs this process, or `uid-<n>` where the system knows no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # 3.13 raises OSError, earlier versions let the KeyError of pwd through
        return f"uid-{os.getuid()}"
