"""The rules on identity providers and on what backends are shown."""

import re
from collections.abc import Iterator
from typing import Any, Final

from pydantic.alias_generators import to_snake

from vmcp_api.base import Model
from vmcp_api.headers import RESTRICTED, canonical_name, check_static_header
from vmcp_api.kinds.endpoint.auth import (
    AuthzConfig,
    BackendAuth,
    BackendAuthType,
    VirtualMCPServerIncomingAuth,
    VirtualMCPServerOutgoingAuth,
)
from vmcp_api.kinds.mcpexternalauthconfig import MCPExternalAuthConfigSpec
from vmcp_api.kinds.mcpoidcconfig import InlineOidc
from vmcp_api.kinds.strategies import (
    ClientCredentialsSpec,
    IdentityAssertionSpec,
    IdentityProviderSpec,
    StrategySpec,
    TokenExchangeSpec,
)
from vmcp_api.rules.headers import cel_allowed, find_nothing
from vmcp_api.rules.rule import Finding, Rule, require, require_each
from vmcp_api.spec.incoming import IncomingAuthType
from vmcp_api.spec.outgoing import HeaderInjection, OutgoingAuthType, Relay

LOOPBACK: Final = r"^http://(localhost|127[.]0[.]0[.]1|\[::1\])(:[0-9]*)?([/?].*)?$"
"""URLs without TLS that do not leave this machine."""

_WELL_KNOWN: Final = "/.well-known/"
_HOST: Final = r"^(https?://)?([^\s/?#@:\[\]\\]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?$"
_MEMBERS: Final = tuple(each for each in OutgoingAuthType if each is not OutgoingAuthType.UNAUTHENTICATED)


def goes_in_clear(url: str) -> bool:
    """Whether what is sent to a URL crosses the network without TLS."""
    return not url.startswith("https:") and re.search(LOOPBACK, url) is None


def _https(model: type[Model], field: str) -> Rule:
    """A URL that credentials or keys cross has TLS, is of this machine, or the resource takes the risk."""

    def holds(part: Any) -> bool:
        url = getattr(part, to_snake(field))
        return url is None or part.insecure_allow_http or not goes_in_clear(url)

    cel = f"self.{field}.startsWith('https:') || self.insecureAllowHTTP || self.{field}.matches(r'{LOOPBACK}')"
    if not model.model_fields[to_snake(field)].is_required():
        cel = f"!has(self.{field}) || {cel}"
    message = "goes over the network without TLS; write https, or set insecureAllowHTTP for a trial"
    return require(model, (field,), cel, message, holds)


def _secret_needs_client(model: type[Model]) -> Rule:
    return require(
        model,
        ("clientId",),
        "!has(self.clientSecretRef) || has(self.clientId)",
        "is required beside clientSecretRef; write the client that the secret belongs to",
        lambda part: part.client_secret_ref is None or part.client_id is not None,
    )


def one_strategy(model: type[StrategySpec]) -> Iterator[Rule]:
    """The type of a strategy and the members with settings agree."""
    for member in _MEMBERS:
        yield from _of_type(model, member)


def _of_type(model: type[Model], named: str, member: str = "") -> tuple[Rule, Rule]:
    """A member that is there for one value of ``type``, and for no other."""
    member = member or named
    return (
        require(
            model,
            (member,),
            f"self.type != '{named}' || has(self.{member})",
            f"is required for type {named}; write it",
            lambda part: part.type != named or getattr(part, to_snake(member)) is not None,
        ),
        require(
            model,
            (member,),
            f"self.type == '{named}' || !has(self.{member})",
            f"belongs to type {named} and stands beside no other; remove it, or set type to {named}",
            lambda part: part.type == named or getattr(part, to_snake(member)) is None,
        ),
    )


def _find_relayed(relay: Relay) -> Iterator[Finding]:
    seen: set[str] = set()
    for index, name in enumerate(relay.headers):
        if text := check_static_header(name):
            yield ("headers", index), text
        elif name.lower() in seen:
            yield (
                ("headers", index),
                f"{canonical_name(name)} is listed twice (case does not count); remove one of them",
            )
        seen.add(name.lower())


def _header_name(model: type[Model], field: str) -> Rule:
    """A header with a credential may be any but those that the connection and MCP have for themselves."""

    def find(part: Any) -> Iterator[Finding]:
        name = getattr(part, to_snake(field))
        if name is not None and (text := check_static_header(name)):
            yield (field,), text

    message = "belongs to the connection to the backend or to MCP; name another, such as Authorization"
    return Rule(model=model, field=field, cel=cel_allowed("self", RESTRICTED), message=message, find=find)


_ENDPOINTS: Final = (ClientCredentialsSpec, TokenExchangeSpec, IdentityAssertionSpec, IdentityProviderSpec)

CREDENTIAL_RULES: Final = (
    *(_https(InlineOidc, field) for field in ("issuer", "jwksUrl", "introspectionUrl")),
    _secret_needs_client(InlineOidc),
    require(
        InlineOidc,
        ("clientId",),
        "!has(self.introspectionUrl) || has(self.clientId)",
        "is required beside introspectionUrl; write the client that introspects, and its clientSecretRef",
        lambda oidc: oidc.introspection_url is None or oidc.client_id is not None,
    ),
    require(
        InlineOidc,
        ("issuer",),
        f"!self.issuer.contains('{_WELL_KNOWN}')",
        "is where a document of the issuer is; write what that document says as `issuer`",
        lambda oidc: _WELL_KNOWN not in oidc.issuer,
    ),
    *one_strategy(MCPExternalAuthConfigSpec),
    *one_strategy(BackendAuth),
    *_of_type(BackendAuth, BackendAuthType.EXTERNAL_AUTH_CONFIG_REF),
    *_of_type(VirtualMCPServerIncomingAuth, IncomingAuthType.OIDC, "oidcConfigRef"),
    require(
        VirtualMCPServerIncomingAuth,
        ("authzConfigRef",),
        "!has(self.authzConfig) || !has(self.authzConfigRef)",
        "stands beside authzConfig; remove one of the two",
        lambda auth: auth.authz_config is None or auth.authz_config_ref is None,
    ),
    require(
        AuthzConfig,
        (),
        "has(self.inline) != has(self.configMap)",
        "needs one of inline and configMap; write exactly one",
        lambda authz: (authz.inline is None) != (authz.config_map is None),
    ),
    require(
        AuthzConfig,
        ("type",),
        "!has(self.type) || (self.type == 'inline' ? has(self.inline) : has(self.configMap))",
        "is not where the policies are; name the member that is there, or remove it",
        lambda authz: authz.type is None or getattr(authz, to_snake(authz.type)) is not None,
    ),
    require_each(
        VirtualMCPServerOutgoingAuth,
        "allowedTokenHosts",
        f"self.matches(r'{_HOST}')",
        "is no host; write one such as idp.example.com or idp.example.com:8443, without path",
        lambda host: re.search(_HOST, host) is not None,
        values=lambda outgoing: outgoing.allowed_token_hosts,
    ),
    *(_https(model, "tokenUrl") for model in _ENDPOINTS),
    _secret_needs_client(TokenExchangeSpec),
    require(
        TokenExchangeSpec,
        ("audience",),
        "has(self.audience) || has(self.resource)",
        "says nobody whom the token is for; write audience or resource",
        lambda exchange: exchange.audience is not None or exchange.resource is not None,
    ),
    _header_name(TokenExchangeSpec, "externalTokenHeaderName"),
    _header_name(HeaderInjection, "headerName"),
    Rule(
        model=Relay,
        field="headers",
        each=True,
        cel=cel_allowed("self", RESTRICTED),
        message="belongs to the connection to the backend or to MCP; remove it",
        find=_find_relayed,
    ),
    Rule(
        model=Relay,
        field="headers",
        cel="self.all(a, self.exists_one(b, a.lowerAscii() == b.lowerAscii()))",
        message="a header is listed twice (case does not count); remove one of them",
        find=find_nothing,
    ),
)
"""The rules on identity providers and strategies."""
