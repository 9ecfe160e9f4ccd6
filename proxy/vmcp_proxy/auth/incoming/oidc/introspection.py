"""Asks the issuer about opaque tokens (RFC 7662)."""

import asyncio
import time
from typing import Final

from vmcp_proxy.auth.incoming.oidc.claims import LEEWAY_SECONDS, Claims, is_bearer, is_for, read_claims, time_of
from vmcp_proxy.auth.incoming.oidc.flaw import Flaw, Refused, shown, shown_time
from vmcp_proxy.auth.incoming.oidc.turns import Turns
from vmcp_proxy.auth.oauth.endpoints import ClientLogin, EndpointError, Endpoints, JsonObject

MOST_AT_ONCE: Final = 16
"""Questions to an issuer at a time: whoever sends invented tokens has the issuer asked about each.

As many more are about tokens that were good a moment ago: whoever invents some takes no turn of theirs. Nor does one
address take all turns of the others (`Turns`).
"""

PATIENCE_SECONDS: Final = 10.0
"""For an answer, the wait for a turn included."""

UNTOLD_LIFETIME: Final = 3600.0
"""How long streams of a token may last whose end the issuer does not tell."""


class Introspection:
    """Asks one issuer; `login` is who asks, and may change at any time."""

    def __init__(self, endpoints: Endpoints, issuer: str, audience: str) -> None:
        self._endpoints: Final = endpoints
        self._issuer: Final = issuer
        self._audience: Final = audience
        self._turns: Final = Turns(MOST_AT_ONCE)
        self._turns_again: Final = Turns(MOST_AT_ONCE)
        self.login: ClientLogin | None = None

    async def ask(self, url: str, token: bytes, source: str, *, again: bool) -> Claims | Refused:
        """What the endpoint at a URL says of a token from an address; `again`: it was good when last asked about.

        Raises:
            EndpointError: it says nothing that could be understood, or nothing in time.
        """
        form = {"token": token.decode("ascii"), "token_type_hint": "access_token"}
        turns = self._turns_again if again else self._turns
        try:
            async with asyncio.timeout(PATIENCE_SECONDS), turns.turn(source):
                answer = await self._endpoints.post(url, form, self.login)
        except TimeoutError:
            raise EndpointError("it does not answer in time") from None
        if not answer.is_ok:
            raise EndpointError(f"HTTP status {answer.status}")
        return self._judged(answer.document)

    def _judged(self, claims: JsonObject) -> Claims | Refused:
        """Section 2.2: of a token that is no good only that is said; all but `active` may be missing of another."""
        return self._misfit(claims) or _timed(claims, time.time())

    def _misfit(self, claims: JsonObject) -> Refused | None:
        """What keeps a token from being a good one of this issuer for this endpoint, whatever the time."""
        if claims.get("active") is not True:
            return Refused(Flaw.INACTIVE)
        if not is_bearer(token_type := claims.get("token_type")):
            return Refused(Flaw.USE, f"token_type: {shown(token_type)}")
        if (issuer := claims.get("iss", self._issuer)) != self._issuer:
            return Refused(Flaw.ISSUER, shown(issuer))
        if not is_for(claims, self._audience):
            return Refused(Flaw.AUDIENCE, shown(claims.get("aud", "")))
        return None


def _timed(claims: JsonObject, now: float) -> Claims | Refused:
    """The claims, where this is their time."""
    begins = time_of(claims, "nbf")
    if begins is not None and now + LEEWAY_SECONDS < begins:
        return Refused(Flaw.NOT_YET, shown_time(begins))
    expires = time_of(claims, "exp")
    if expires is None:
        expires = now + UNTOLD_LIFETIME
    if expires + LEEWAY_SECONDS <= now:
        return Refused(Flaw.EXPIRED, shown_time(expires))
    return read_claims(claims, expires)
