"""Builds the strategies by which backends are authenticated to, from a loaded config (ADR-0040)."""

import asyncio
from typing import TYPE_CHECKING, Final, TypeAlias

from vmcp_api.config import Backend
from vmcp_api.headers import canonical_name
from vmcp_api.secret import SecretBytes
from vmcp_api.spec.incoming import IncomingAuth
from vmcp_api.spec.network import Reach
from vmcp_api.spec.outgoing import TOKEN_TYPE_PREFIX, OutgoingAuth
from vmcp_api.spec.outgoing import ClientCredentials as ClientCredentialsConfig
from vmcp_api.spec.outgoing import IdentityAssertion as IdentityAssertionConfig
from vmcp_api.spec.outgoing import IdentityProvider as IdentityProviderConfig
from vmcp_api.spec.outgoing import Relay as RelayConfig
from vmcp_api.spec.outgoing import TokenExchange as TokenExchangeConfig
from vmcp_api.spec.references import KeyRef
from vmcp_proxy.auth.outgoing.client_credentials import ClientCredentials
from vmcp_proxy.auth.outgoing.fixed import AUTHORIZATION, FixedHeader
from vmcp_proxy.auth.outgoing.relay import Relay
from vmcp_proxy.auth.outgoing.token_endpoint import TokenEndpoint
from vmcp_proxy.auth.outgoing.token_exchange import TokenExchange
from vmcp_proxy.auth.outgoing.tokens import Issuer, TokenSource
from vmcp_proxy.backends.authentication import Strategy
from vmcp_proxy.http_client import HttpClient, Url
from vmcp_proxy.run.loading import Loaded
from vmcp_proxy.run.secret_values import InvalidSecretError, header_value, required

if TYPE_CHECKING:
    from vmcp_proxy.auth.outgoing.identity_assertion import IdentityAssertion

_ITS_ENDPOINT: Final = "its token endpoint"
_THEIR_ENDPOINT: Final = "the token endpoint of the callers' identity provider"


_Endpoint: TypeAlias = ClientCredentialsConfig | TokenExchangeConfig | IdentityAssertionConfig | IdentityProviderConfig
"""What the config says of a token endpoint, whichever strategy needs it."""


class Strategies:
    """Makes strategies over one HTTP client; what gets tokens runs in `tasks`."""

    def __init__(self, client: HttpClient, tasks: asyncio.TaskGroup) -> None:
        self._client: Final = client
        self._tasks: Final = tasks

    def strategy_for(self, config: Backend, loaded: Loaded, previous: Strategy | None) -> Strategy | None:
        """That of a backend: `previous`, with the tokens that it holds, where nothing of it has changed.

        Raises:
            MissingSecretError: a Secret that it needs is not there.
            InvalidSecretError: the value of one cannot be used.
            InvalidUrl: an endpoint has no usable URL.
        """
        made = None if config.outgoing_auth is None else self._build(config.name, config.outgoing_auth, loaded)
        return previous if previous == made else made

    def _build(self, backend: str, auth: OutgoingAuth, loaded: Loaded) -> Strategy | None:
        if injection := auth.header_injection:
            return FixedHeader(injection.header_name, header_value(loaded, injection.value_secret_ref))
        if bearer := auth.bearer_token:
            return FixedHeader.bearer(header_value(loaded, bearer.token_secret_ref))
        if relay := auth.relay:
            return Relay(frozenset(map(canonical_name, relay.headers)), _audience(relay, loaded.config.incoming_auth))
        issuer = self._issuer(auth, loaded)
        chosen = None if auth.token_exchange is None else auth.token_exchange.external_token_header_name
        header = canonical_name(chosen or AUTHORIZATION)
        return None if issuer is None else TokenSource(backend, issuer, self._tasks, header)

    def _issuer(self, auth: OutgoingAuth, loaded: Loaded) -> Issuer | None:
        if credentials := auth.client_credentials:
            return self._client_credentials(credentials, loaded)
        if exchange := auth.token_exchange:
            return self._token_exchange(exchange, loaded)
        if assertion := auth.identity_assertion:
            return self._identity_assertion(assertion, loaded)
        return None

    def _client_credentials(self, config: ClientCredentialsConfig, loaded: Loaded) -> ClientCredentials:
        endpoint = self._endpoint(_ITS_ENDPOINT, config, loaded)
        return ClientCredentials(endpoint, config.scopes, config.audience or "", config.resource or "")

    def _token_exchange(self, config: TokenExchangeConfig, loaded: Loaded) -> TokenExchange:
        return TokenExchange(
            self._endpoint(_ITS_ENDPOINT, config, loaded),
            config.audience or "",
            config.resource or "",
            config.scopes,
            TOKEN_TYPE_PREFIX + config.subject_token_type,
        )

    def _identity_assertion(self, config: IdentityAssertionConfig, loaded: Loaded) -> "IdentityAssertion":
        # Imported where somebody has it: the library that reads tokens weighs more than all other strategies.
        from vmcp_proxy.auth.outgoing.identity_assertion import ID_JAG, IdentityAssertion  # noqa: PLC0415

        exchange = TokenExchange(
            self._endpoint(_THEIR_ENDPOINT, config.idp, loaded),
            config.audience,
            config.resource or "",
            config.scopes,
            TOKEN_TYPE_PREFIX + config.subject_token_type,
            ID_JAG,
        )
        return IdentityAssertion(exchange, self._endpoint(_ITS_ENDPOINT, config, loaded))

    def _endpoint(self, place: str, config: _Endpoint, loaded: Loaded) -> TokenEndpoint:
        # Only to be refused here: what cannot be asked withholds its backend.
        Url.parse(config.token_url)
        ref = config.client_secret_ref
        secret = None if ref is None else _client_secret(loaded, ref)
        reach = Reach(
            ca_bundle=config.ca_bundle, network=config.network, insecure_allow_http=config.insecure_allow_http
        )
        return TokenEndpoint(place, config.token_url, reach, self._client, config.client_id, secret)


def _audience(relay: RelayConfig, incoming: IncomingAuth) -> str | None:
    """What names the backend in tokens; none where it is the endpoint's own name, which stands in all of them."""
    is_ours = incoming.oidc is not None and incoming.oidc.audience == relay.audience
    return None if is_ours else relay.audience


def _client_secret(loaded: Loaded, ref: KeyRef) -> SecretBytes:
    value = required(loaded, ref)
    if not value.strip():
        raise InvalidSecretError(ref.name, ref.key, "is empty; write the secret of the client")
    return SecretBytes(value)
