"""The rules on identity providers and on what backends are shown."""

import re
from collections.abc import Iterator
from typing import Any, Final

from pydantic.alias_generators import to_snake

from vmcp_api.base import Model
from vmcp_api.headers import RESTRICTED, canonical_name, check_static_header
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
from vmcp_api.rules.rule import Finding, Rule, require
from vmcp_api.spec.outgoing import HeaderInjection, OutgoingAuthType, Relay

_LOOPBACK: Final = r"^http://(localhost|127[.]0[.]0[.]1|\[::1\])(:[0-9]*)?([/?].*)?$"
_MEMBERS: Final = tuple(each for each in OutgoingAuthType if each is not OutgoingAuthType.UNAUTHENTICATED)


def _https(model: type[Model], field: str) -> Rule:
    """A URL that credentials or keys cross has TLS, is of this machine, or the resource takes the risk."""

    def holds(part: Any) -> bool:
        url = getattr(part, to_snake(field))
        return url is None or url.startswith("https:") or part.insecure_allow_http or bool(re.search(_LOOPBACK, url))

    cel = f"self.{field}.startsWith('https:') || self.insecureAllowHTTP || self.{field}.matches(r'{_LOOPBACK}')"
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


def one_strategy(model: type[StrategySpec]) -> tuple[Rule, ...]:
    """The type of a strategy and the members with settings agree."""
    return (*(_needs(model, member) for member in _MEMBERS), *(_excludes(model, member) for member in _MEMBERS))


def _needs(model: type[StrategySpec], member: OutgoingAuthType) -> Rule:
    return require(
        model,
        (member,),
        f"self.type != '{member}' || has(self.{member})",
        f"is required for type {member}; write its settings",
        lambda part: part.type != member or getattr(part, to_snake(member)) is not None,
    )


def _excludes(model: type[StrategySpec], member: OutgoingAuthType) -> Rule:
    said = f"belongs to type {member}, and a backend has one strategy; remove it, or set type to {member}"
    return require(
        model,
        (member,),
        f"self.type == '{member}' || !has(self.{member})",
        said,
        lambda part: part.type == member or getattr(part, to_snake(member)) is None,
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
    *one_strategy(MCPExternalAuthConfigSpec),
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
