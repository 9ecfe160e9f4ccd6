"""The strategies of outgoing authentication, as resources say them."""

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from vmcp_api.base import Model
from vmcp_api.spec.outgoing import (
    BearerToken,
    ClientCredentialsSettings,
    HeaderInjection,
    IdentityAssertionSettings,
    Relay,
    TokenClient,
    TokenExchangeSettings,
)
from vmcp_api.spec.references import CaBundleRef


class EndpointReach(Model):
    """How a token endpoint, or a server of embeddings, may be reached."""

    ca_bundle_ref: Annotated[CaBundleRef | None, Field(description="CA certificates beyond the system's.")] = None
    allow_private_endpoint: Annotated[
        bool, Field(description="Whether the URL may lead to private addresses and Services of the cluster.")
    ] = False
    insecure_allow_http: Annotated[
        bool, Field(alias="insecureAllowHTTP", description="Whether the URL may do without TLS; for trials only.")
    ] = False


class ClientCredentialsSpec(EndpointReach, ClientCredentialsSettings):
    """A token for the proxy itself (RFC 6749 section 4.4)."""


class TokenExchangeSpec(EndpointReach, TokenExchangeSettings):
    """A token for the backend in exchange for the caller's (RFC 8693)."""


class IdentityProviderSpec(EndpointReach, TokenClient):
    """The callers' identity provider."""


class IdentityAssertionSpec(EndpointReach, IdentityAssertionSettings):
    """A token by an identity assertion (ID-JAG)."""

    idp: Annotated[
        IdentityProviderSpec, Field(description="The callers' identity provider, which asserts who they are.")
    ]


class StrategySpec(Model):
    """The settings of one strategy, in the member that is named like it."""

    header_injection: Annotated[HeaderInjection | None, Field(description="A header with a value from a Secret.")] = (
        None
    )
    bearer_token: Annotated[
        BearerToken | None, Field(description="A token from a Secret, sent as `Authorization: Bearer`.")
    ] = None
    client_credentials: Annotated[
        ClientCredentialsSpec | None, Field(description="A token for the proxy itself (RFC 6749 section 4.4).")
    ] = None
    token_exchange: Annotated[
        TokenExchangeSpec | None, Field(description="A token in exchange for the caller's (RFC 8693).")
    ] = None
    identity_assertion: Annotated[
        IdentityAssertionSpec | None,
        Field(description="A token by an assertion of the callers' identity provider (RFC 8693, then RFC 7523)."),
    ] = None
    relay: Annotated[
        Relay | None,
        Field(description="Headers of the caller for this one backend, `Authorization` and `Cookie` possible."),
    ] = None

    def endpoints(self) -> Iterator[tuple[tuple[str, ...], EndpointReach]]:
        """The token endpoints that the strategy asks, each with its place below these settings."""
        if self.client_credentials:
            yield ("clientCredentials",), self.client_credentials
        if self.token_exchange:
            yield ("tokenExchange",), self.token_exchange
        if self.identity_assertion:
            yield ("identityAssertion",), self.identity_assertion
            yield ("identityAssertion", "idp"), self.identity_assertion.idp
