"""The caller's token exchanged for one that the backend takes (RFC 8693)."""

from dataclasses import dataclass
from typing import ClassVar, Final

from vmcp_api.secret import SecretBytes
from vmcp_proxy.auth.outgoing.errors import NoUserError, OwnTokenError
from vmcp_proxy.auth.outgoing.grant import Issued
from vmcp_proxy.auth.outgoing.token_endpoint import TokenEndpoint

TOKEN_TYPE: Final = "urn:ietf:params:oauth:token-type:"  # noqa: S105 - a name of RFC 8693
ACCESS_TOKEN: Final = TOKEN_TYPE + "access_token"
_GRANT: Final = "urn:ietf:params:oauth:grant-type:token-exchange"


@dataclass(frozen=True, slots=True)
class TokenExchange:
    """Gets a token for each caller, from the server that the caller's own is good at.

    `subject_type` is what the caller's token is called there, `requested_type` what is asked for. The caller's own is
    never what is got.
    """

    needs_user: ClassVar[bool] = True

    endpoint: TokenEndpoint
    audience: str = ""
    resource: str = ""
    scopes: tuple[str, ...] = ()
    subject_type: str = ACCESS_TOKEN
    requested_type: str = ACCESS_TOKEN

    async def issue(self, user: SecretBytes | None) -> Issued:
        """See `Issuer.issue`."""
        if user is None:
            raise NoUserError
        issued = await self.endpoint.ask(
            (
                ("grant_type", _GRANT),
                ("subject_token", user.reveal().decode("latin-1")),
                ("subject_token_type", self.subject_type),
                ("requested_token_type", self.requested_type),
                ("audience", self.audience),
                ("resource", self.resource),
                ("scope", " ".join(self.scopes)),
            )
        )
        if issued.token == user:
            raise OwnTokenError(self.endpoint.place)
        return issued
