"""Who may come in."""

from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, model_validator

from vmcp_api.base import Model, Url
from vmcp_api.spec.network import Reach
from vmcp_api.spec.oauth import Audience, ClientId, Scopes
from vmcp_api.spec.references import KeyRef


class IncomingAuthType(StrEnum):
    """How callers are identified; a resource may not say `local`."""

    ANONYMOUS = "anonymous"
    OIDC = "oidc"
    LOCAL = "local"


class OidcProvider(Model):
    """An OpenID provider, and the credentials with which tokens are introspected there."""

    issuer: Annotated[Url, Field(description="Issuer: the `iss` of its tokens, and where its discovery document is.")]
    jwks_url: Annotated[Url | None, Field(description="Where its keys are; absent asks the discovery document.")] = None
    introspection_url: Annotated[Url | None, Field(description="Where opaque tokens are introspected (RFC 7662).")] = (
        None
    )
    client_id: Annotated[ClientId | None, Field(description="Client that introspects.")] = None
    client_secret_ref: Annotated[KeyRef | None, Field(description="Secret key with that client's secret.")] = None


class OidcSettings(Reach, OidcProvider):
    """How a proxy verifies the tokens of its callers."""

    audience: Annotated[Audience, Field(description="What `aud` of a token has to hold.")]
    scopes: Annotated[Scopes, Field(description="Scopes that a token has to have.")] = ()
    scopes_supported: Annotated[Scopes, Field(description="Further scopes that clients are told to ask for.")] = ()
    resource_url: Annotated[
        Url | None,
        Field(description="URL of the endpoint as clients know it (RFC 9728); absent takes that of the request."),
    ] = None

    @property
    def wanted_scopes(self) -> tuple[str, ...]:
        """What clients are told to ask for: what a token has to have, and what else is of use."""
        return tuple(dict.fromkeys((*self.scopes, *self.scopes_supported)))


class IncomingAuth(Model):
    """How callers are identified; `local` exists in local mode only."""

    type: Annotated[
        IncomingAuthType,
        Field(
            description=(
                "`anonymous`: nobody is asked; `oidc`: by their token; `local`: the user of this machine (local mode)."
            )
        ),
    ]
    oidc: Annotated[OidcSettings | None, Field(description="How tokens are verified; given for `oidc`.")] = None

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        """A config of another hand may not leave out how tokens are verified."""
        if (self.type is IncomingAuthType.OIDC) != (self.oidc is not None):
            raise ValueError("needs oidc for type oidc, and for no other; let it be written again")
        return self
