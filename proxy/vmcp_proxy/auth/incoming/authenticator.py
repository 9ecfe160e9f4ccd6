"""What every way of authentication answers."""

from collections.abc import Callable
from typing import Protocol, TypeAlias

from vmcp_proxy.auth.identity import Identity
from vmcp_proxy.auth.incoming.refusal import Refusal

Source: TypeAlias = Callable[[], str]
"""Says which address a request comes from; asked only where that counts, for finding it out takes time."""


class Authenticator(Protocol):
    """Decides who a caller is from the value of `Authorization` (absent: `None`).

    The `source` decides nothing; it bounds what one address can have others asked.
    """

    async def authenticate(self, authorization: bytes | None, source: Source) -> Identity | Refusal:
        """The caller, or why the request is not let in; which HTTP status that is stands elsewhere."""
