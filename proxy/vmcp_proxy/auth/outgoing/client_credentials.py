"""A token for this endpoint itself, whoever calls (RFC 6749 section 4.4)."""

from dataclasses import dataclass
from typing import ClassVar, Final

from vmcp_api.secret import SecretBytes
from vmcp_proxy.auth.outgoing.grant import Issued
from vmcp_proxy.auth.outgoing.token_endpoint import TokenEndpoint

_GRANT: Final = "client_credentials"


@dataclass(frozen=True, slots=True)
class ClientCredentials:
    """Gets one token for all callers; `audience` is asked for by some servers, `resource` by RFC 8707."""

    needs_user: ClassVar[bool] = False

    endpoint: TokenEndpoint
    scopes: tuple[str, ...] = ()
    audience: str = ""
    resource: str = ""

    async def issue(self, user: SecretBytes | None) -> Issued:
        """See `Issuer.issue`."""
        del user
        return await self.endpoint.ask(
            (
                ("grant_type", _GRANT),
                ("scope", " ".join(self.scopes)),
                ("audience", self.audience),
                ("resource", self.resource),
            )
        )
