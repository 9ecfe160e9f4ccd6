"""What every way of authentication answers."""

from collections.abc import Callable
from typing import Protocol, TypeAlias

from vmcp_proxy.auth.identity import Identity
from vmcp_proxy.auth.incoming.refusal import Refusal

Source: TypeAlias = Callable[[], str]
"""Says which address a request comes from; asked only where that counts, for finding it out takes time."""


class Noted(Protocol):
    """What is kept with a header that comes again byte for byte: the digest of the token in it, not the token."""

    token_digest: bytes | None


class Authenticator(Protocol):
    """Decides who a caller is from the value of `Authorization` (absent: `None`).

    The `source` decides nothing; it bounds what one address can have others asked.
    """

    def recognise(self, authorization: bytes | None, noted: Noted | None) -> Identity | None:
        """The caller where a look-up says who it is; `None` says nothing: then `authenticate` has to be asked.

        `noted` stays with the header for as long as it comes again, `None` where it may be another one next time.
        """

    async def authenticate(self, authorization: bytes | None, source: Source) -> Identity | Refusal:
        """The caller, or why the request is not let in; which HTTP status that is stands elsewhere."""
