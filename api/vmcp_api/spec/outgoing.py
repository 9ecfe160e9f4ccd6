"""What a proxy shows to one backend: the strategies of outgoing authentication (ADR-0040).

The classes named `…Settings` are what a resource and the config of a proxy both say; the config adds how the token
endpoints are reached.
"""

from enum import StrEnum
from typing import Annotated, Final, Self, TypeAlias

from pydantic import BeforeValidator, Field, model_validator
from pydantic.alias_generators import to_camel

from vmcp_api.base import LIST_SET, HeaderName, Model, ShortUrl
from vmcp_api.spec.network import Reach
from vmcp_api.spec.oauth import Audience, ClientId, Resource, Scopes
from vmcp_api.spec.references import KeyRef

TOKEN_TYPE_PREFIX: Final = "urn:ietf:params:oauth:token-type:"  # noqa: S105 - a name, no token
"""What the names of token types begin with (RFC 8693 section 3)."""


class OutgoingAuthType(StrEnum):
    """The strategies; each but the first has its settings in the member of its name."""

    UNAUTHENTICATED = "unauthenticated"
    HEADER_INJECTION = "headerInjection"
    BEARER_TOKEN = "bearerToken"  # noqa: S105 - a strategy, no token
    CLIENT_CREDENTIALS = "clientCredentials"
    TOKEN_EXCHANGE = "tokenExchange"  # noqa: S105 - a strategy, no token
    IDENTITY_ASSERTION = "identityAssertion"
    RELAY = "relay"


class TokenType(StrEnum):
    """Types of a subject token (RFC 8693 section 3), without the prefix of their names."""

    ACCESS_TOKEN = "access_token"  # noqa: S105 - a type, no token
    ID_TOKEN = "id_token"  # noqa: S105 - a type, no token
    JWT = "jwt"


def _shorten(written: object) -> object:
    return written.removeprefix(TOKEN_TYPE_PREFIX) if isinstance(written, str) else written


SubjectTokenType: TypeAlias = Annotated[
    TokenType,
    BeforeValidator(_shorten),
    Field(json_schema_extra={"enum": [*TokenType, *(TOKEN_TYPE_PREFIX + each for each in TokenType)]}),
]
"""A type of subject token, written short or in full."""


class HeaderInjection(Model):
    """A header with a value from a Secret."""

    header_name: Annotated[HeaderName, Field(description="Header to send.")]
    value_secret_ref: Annotated[KeyRef, Field(description="Secret key with the value.")]


class BearerToken(Model):
    """A token from a Secret, sent as `Authorization: Bearer`."""

    token_secret_ref: Annotated[KeyRef, Field(description="Secret key with the token.")]


class Relay(Model):
    """Headers of the caller for this one backend, `Authorization` and `Cookie` possible."""

    headers: Annotated[
        tuple[HeaderName, ...],
        Field(
            min_length=1,
            max_length=8,
            description="Headers of the caller that this backend gets.",
            json_schema_extra=LIST_SET,
        ),
    ]
    audience: Annotated[
        Audience | None,
        Field(
            description=(
                "Name of the backend in `aud` of callers' tokens; required where callers come with `oidc`; one whose"
                " token does not hold it is not relayed."
            )
        ),
    ] = None


class TokenClient(Model):
    """A client with a secret at a token endpoint."""

    token_url: Annotated[ShortUrl, Field(description="Token endpoint.")]
    client_id: Annotated[ClientId, Field(description="Client that asks.")]
    client_secret_ref: Annotated[KeyRef, Field(description="Secret key with its secret.")]


class ClientCredentialsSettings(TokenClient):
    """A token for the proxy itself (RFC 6749 section 4.4)."""

    scopes: Annotated[Scopes, Field(description="Scopes to ask for.")] = ()
    audience: Annotated[Audience | None, Field(description="Who the token is for, where the server asks that.")] = None
    resource: Annotated[Resource | None, Field(description="Resource that the token is for (RFC 8707).")] = None


class TokenExchangeSettings(Model):
    """A token for the backend in exchange for the caller's (RFC 8693)."""

    token_url: Annotated[ShortUrl, Field(description="Token endpoint.")]
    client_id: Annotated[ClientId | None, Field(description="Client that asks; absent for a public one.")] = None
    client_secret_ref: Annotated[KeyRef | None, Field(description="Secret key with its secret.")] = None
    audience: Annotated[Audience | None, Field(description="Who the token is for.")] = None
    resource: Annotated[Resource | None, Field(description="Resource that the token is for (RFC 8707).")] = None
    scopes: Annotated[Scopes, Field(description="Scopes to ask for.")] = ()
    subject_token_type: Annotated[SubjectTokenType, Field(description="What the caller's token is.")] = (
        TokenType.ACCESS_TOKEN
    )
    external_token_header_name: Annotated[
        HeaderName | None, Field(description="Header that carries the new token; absent: `Authorization`, as Bearer.")
    ] = None


class IdentityAssertionSettings(TokenClient):
    """A token by an identity assertion (ID-JAG): RFC 8693 at the callers' IdP, then RFC 7523 at the backend's server.

    `token_url` and the client are those of the backend's authorization server.
    """

    audience: Annotated[Audience, Field(description="The backend's authorization server, as the IdP names it.")]
    resource: Annotated[Resource | None, Field(description="Resource that the token is for (RFC 8707).")] = None
    scopes: Annotated[Scopes, Field(description="Scopes to ask for.")] = ()
    subject_token_type: Annotated[SubjectTokenType, Field(description="What the caller's token is to the IdP.")] = (
        TokenType.ID_TOKEN
    )


class ClientCredentials(Reach, ClientCredentialsSettings):
    """A token for the proxy itself, as a proxy is told."""


class TokenExchange(Reach, TokenExchangeSettings):
    """A token in exchange for the caller's, as a proxy is told."""


class IdentityProvider(Reach, TokenClient):
    """The callers' identity provider, as a proxy is told."""


class IdentityAssertion(Reach, IdentityAssertionSettings):
    """A token by an identity assertion, as a proxy is told."""

    idp: Annotated[IdentityProvider, Field(description="The callers' identity provider, which asserts who they are.")]


class OutgoingAuth(Model):
    """What is shown to one backend: the strategy, and its settings in the member that is named like it."""

    type: Annotated[OutgoingAuthType, Field(description="Strategy.")]
    header_injection: Annotated[HeaderInjection | None, Field(description="A header from a Secret.")] = None
    bearer_token: Annotated[BearerToken | None, Field(description="A token from a Secret.")] = None
    client_credentials: Annotated[ClientCredentials | None, Field(description="A token for the proxy itself.")] = None
    token_exchange: Annotated[TokenExchange | None, Field(description="A token in exchange for the caller's.")] = None
    identity_assertion: Annotated[
        IdentityAssertion | None, Field(description="A token by an assertion of the callers' identity provider.")
    ] = None
    relay: Annotated[Relay | None, Field(description="Headers of the caller.")] = None

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        """A config of another hand may not name a strategy and leave out its settings."""
        if self.members != (set() if self.type is OutgoingAuthType.UNAUTHENTICATED else {self.type}):
            raise ValueError("needs the member that is named like the type, and no other; let it be written again")
        return self

    @property
    def members(self) -> set[str]:
        """The members with settings that are there, by their names in documents."""
        return {to_camel(name) for name in type(self).model_fields if name != "type" and getattr(self, name)}
