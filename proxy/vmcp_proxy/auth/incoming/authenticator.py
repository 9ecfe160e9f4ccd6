"""What every way of authentication answers."""

from typing import Protocol

from vmcp_proxy.auth.identity import Identity
from vmcp_proxy.auth.incoming.refusal import Refusal


class Authenticator(Protocol):
    """Decides who a caller is from the value of `Authorization` (absent: `None`)."""

    async def authenticate(self, authorization: bytes | None) -> Identity | Refusal:
        """The caller, or why the request is not let in; which HTTP status that is stands elsewhere."""
