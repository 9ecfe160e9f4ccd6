"""The caller's identity asserted to the backend's own authorization server.

draft-ietf-oauth-identity-assertion-authz-grant: the caller's identity provider exchanges its token for an assertion
(ID-JAG, RFC 8693), and the backend's authorization server takes that for an access token (RFC 7523).
"""

from dataclasses import dataclass
from typing import ClassVar, Final

from vmcp_api.secret import SecretBytes
from vmcp_proxy.auth.outgoing.errors import EndpointAwayError
from vmcp_proxy.auth.outgoing.grant import Issued
from vmcp_proxy.auth.outgoing.token_endpoint import TokenEndpoint
from vmcp_proxy.auth.outgoing.token_exchange import TOKEN_TYPE, TokenExchange

ID_JAG: Final = TOKEN_TYPE + "id-jag"
_GRANT: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"


@dataclass(frozen=True, slots=True)
class IdentityAssertion:
    """Gets a token for each caller in two steps; `exchange` asks for the assertion, `endpoint` takes it.

    The assertion is kept nowhere: it is made for one use, and lives as short.
    """

    needs_user: ClassVar[bool] = True

    exchange: TokenExchange
    endpoint: TokenEndpoint

    async def issue(self, user: SecretBytes | None) -> Issued:
        """See `Issuer.issue`."""
        assertion = await self.exchange.issue(user)
        if assertion.kind not in ("", ID_JAG):
            raise EndpointAwayError(self.exchange.endpoint.place, "issues something else than an identity assertion")
        return await self.endpoint.ask(
            (
                ("grant_type", _GRANT),
                ("assertion", assertion.token.reveal().decode("ascii")),
                ("scope", " ".join(self.exchange.scopes)),
            )
        )
