"""How a request tells who sends it: nobody in particular, or the user of this machine."""

import getpass
import os
from dataclasses import dataclass
from typing import Final, Protocol

from vmcp_proxy.auth.identity import ANONYMOUS, ANONYMOUS_WITH_AUTHORIZATION, Identity

LOCAL_ISSUER: Final = "local"


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request is not let in: HTTP status, JSON-RPC code and text, headers for the client.

    The text tells the client what to do and never how the check failed inside.
    """

    status: int
    code: int
    message: str
    headers: tuple[tuple[bytes, bytes], ...] = ()


class Authenticator(Protocol):
    """Decides who a caller is from the value of `Authorization` (absent: `None`)."""

    async def authenticate(self, authorization: bytes | None) -> Identity | Refusal: ...


class AnonymousAuthenticator:
    """Lets everybody in, and only tells apart whether credentials were presented at all."""

    __slots__ = ()

    async def authenticate(self, authorization: bytes | None) -> Identity:
        return ANONYMOUS_WITH_AUTHORIZATION if authorization else ANONYMOUS


class LocalAuthenticator:
    """Takes every caller for the user that runs the process: only for listeners on loopback."""

    __slots__ = ("_identity",)

    def __init__(self, user: str) -> None:
        self._identity = Identity(LOCAL_ISSUER, user)

    async def authenticate(self, authorization: bytes | None) -> Identity:  # noqa: ARG002 - the protocol's argument
        return self._identity


def operating_system_user() -> str:
    """Name of the user that runs this process, or `uid-<n>` where the system knows no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # 3.13 raises OSError, earlier versions let the KeyError of pwd through
        return f"uid-{os.getuid()}"
