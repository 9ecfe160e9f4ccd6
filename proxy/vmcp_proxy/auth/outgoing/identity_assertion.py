"""The caller's identity asserted to the backend's own authorization server.

draft-ietf-oauth-identity-assertion-authz-grant: the caller's identity provider exchanges its token for an assertion
(ID-JAG, RFC 8693), and the backend's authorization server takes that for an access token (RFC 7523).
"""

from dataclasses import dataclass
from typing import ClassVar, Final

import jwt

from vmcp_api.secret import SecretBytes
from vmcp_proxy.auth.outgoing.errors import EndpointAwayError, OwnTokenError
from vmcp_proxy.auth.outgoing.grant import Issued
from vmcp_proxy.auth.outgoing.token_endpoint import TokenEndpoint
from vmcp_proxy.auth.outgoing.token_exchange import TOKEN_TYPE, TokenExchange

ID_JAG: Final = TOKEN_TYPE + "id-jag"
_GRANT: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_TYP: Final = "oauth-id-jag+jwt"
_NO_ASSERTION: Final = "issues something else than an identity assertion"


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
        if misfit := _misfit(assertion, self.exchange.audience):
            raise EndpointAwayError(self.exchange.endpoint.place, misfit)
        issued = await self.endpoint.ask(
            (
                ("grant_type", _GRANT),
                ("assertion", assertion.token.reveal().decode("ascii")),
                ("scope", " ".join(self.exchange.scopes)),
            )
        )
        if issued.token in (user, assertion.token):
            raise OwnTokenError(self.endpoint.place)
        return issued


def _misfit(issued: Issued, audience: str) -> str:
    """What keeps an answer from being shown to the backend's server; empty where it is an assertion for that one.

    A provider that knows nothing of assertions may give an access token, which opens more than it should there. One
    that cannot be read (encrypted, for that server) is taken for what its provider says that it is.
    """
    if issued.kind not in ("", ID_JAG):
        return _NO_ASSERTION
    try:
        read = jwt.decode_complete(issued.token.reveal(), options={"verify_signature": False})
    except (jwt.PyJWTError, ValueError, RecursionError):
        return "" if issued.kind else _NO_ASSERTION
    if not issued.kind and read["header"].get("typ") != _TYP:
        return _NO_ASSERTION
    said = read["payload"].get("aud")
    named = {each.rstrip("/") for each in (said if isinstance(said, list) else [said]) if isinstance(each, str)}
    return (
        "" if audience.rstrip("/") in named else "issues an identity assertion for another audience than was asked for"
    )
