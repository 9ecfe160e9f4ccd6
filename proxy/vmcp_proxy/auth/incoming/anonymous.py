"""Everybody is let in."""

from vmcp_proxy.auth.identity import ANONYMOUS, ANONYMOUS_WITH_AUTHORIZATION, Identity
from vmcp_proxy.auth.incoming.authenticator import Noted, Source


class AnonymousAuthenticator:
    """Lets everybody in, and only tells apart whether credentials were presented at all."""

    __slots__ = ()

    def recognise(self, authorization: bytes | None, noted: Noted | None) -> Identity:  # noqa: ARG002
        return ANONYMOUS_WITH_AUTHORIZATION if authorization else ANONYMOUS

    async def authenticate(self, authorization: bytes | None, source: Source) -> Identity:  # noqa: ARG002
        return ANONYMOUS_WITH_AUTHORIZATION if authorization else ANONYMOUS
