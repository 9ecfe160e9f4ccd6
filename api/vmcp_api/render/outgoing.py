"""What one member is shown: the strategy that counts for it, with its references followed (ADR-0043)."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias, TypeVar

from vmcp_api.base import Model
from vmcp_api.headers import canonical_name, find_collisions
from vmcp_api.kinds import MCPExternalAuthConfig, VirtualMCPServer
from vmcp_api.kinds.endpoint.auth import BackendAuth, BackendAuthType, OutgoingAuthSource
from vmcp_api.kinds.mcpexternalauthconfig import MCPExternalAuthConfigSpec
from vmcp_api.manifests.problems import Loc, Problem
from vmcp_api.manifests.resolve import Member, check_secret, find_empty, find_unsendable, follow
from vmcp_api.manifests.resources import Resources
from vmcp_api.render.member import Refusal, refuse_bundle, static_names, subject_of
from vmcp_api.render.reach import endpoint_reach
from vmcp_api.render.reasons import Reason
from vmcp_api.render.rendered import Mode
from vmcp_api.render.token_hosts import TokenHosts, find_host, token_urls_for_callers
from vmcp_api.spec.incoming import IncomingAuthType
from vmcp_api.spec.outgoing import (
    ClientCredentials,
    IdentityAssertion,
    IdentityProvider,
    OutgoingAuth,
    OutgoingAuthType,
    TokenExchange,
)
from vmcp_api.spec.references import KeyRef, NameRef

_OF_CALLERS: Final = frozenset({OutgoingAuthType.TOKEN_EXCHANGE, OutgoingAuthType.IDENTITY_ASSERTION})
"""Strategies that begin with the caller's token."""

Said: TypeAlias = MCPExternalAuthConfigSpec | BackendAuth
"""A strategy as resources say it."""

ModelT = TypeVar("ModelT", bound=Model)


@dataclass(frozen=True, slots=True)
class Shown:
    """A member, and where it is reached; a program on this machine has no URL."""

    member: Member
    url: str | None


@dataclass(frozen=True, slots=True)
class Choice:
    """The strategy of a member, and where it is written."""

    said: Said
    subject: str
    loc: Loc


def choose_strategy(member: Member, vmcp: VirtualMCPServer, resources: Resources) -> Choice | Refusal | None:
    """What counts for a member; None where nobody says anything.

    With source ``discovered`` what the member itself refers to comes first, then what the VirtualMCPServer says of it,
    then the default. With ``inline`` the member is not asked, unless the VirtualMCPServer says ``discovered`` of it.
    """
    outgoing = vmcp.spec.outgoing_auth
    own = member.spec.external_auth_config_ref
    if own and outgoing.source is OutgoingAuthSource.DISCOVERED:
        return _follow(own, resources, subject_of(member), ("spec", "externalAuthConfigRef"))
    name = member.metadata.name
    said = outgoing.backends.get(name) or outgoing.default
    place = ("backends", name) if name in outgoing.backends else ("default",)
    if said is None:
        return None
    subject, loc = f"VirtualMCPServer/{vmcp.metadata.name}", ("spec", "outgoingAuth", *place)
    if said.type is BackendAuthType.DISCOVERED:
        return _follow(own, resources, subject_of(member), ("spec", "externalAuthConfigRef")) if own else None
    if said.external_auth_config_ref:
        return _follow(said.external_auth_config_ref, resources, subject, (*loc, "externalAuthConfigRef"))
    return Choice(said, subject, loc)


def refuse_reference(member: Member, resources: Resources) -> Refusal | None:
    """What is wrong with the reference of a member itself, and with what it leads to."""
    if (own := member.spec.external_auth_config_ref) is None:
        return None
    choice = _follow(own, resources, subject_of(member), ("spec", "externalAuthConfigRef"))
    return choice if isinstance(choice, Refusal) else _refuse_references(choice, resources)


def build_outgoing(
    shown: Shown, vmcp: VirtualMCPServer, resources: Resources, mode: Mode, hosts: TokenHosts
) -> OutgoingAuth | Refusal | None:
    """What a member is shown; None where nothing is said of it."""
    choice = choose_strategy(shown.member, vmcp, resources)
    if choice is None or isinstance(choice, Refusal):
        return choice
    refusal = (
        _refuse_references(choice, resources)
        or _refuse_callers(choice, vmcp)
        or _refuse_hosts(choice, shown, vmcp, hosts)
        or _refuse_collision(choice, shown.member)
    )
    return refusal or _build(choice.said, resources, mode)


def _follow(ref: NameRef, resources: Resources, subject: str, loc: Loc) -> Choice | Refusal:
    found = follow(resources, MCPExternalAuthConfig, ref.name, (*loc, "name"))
    if isinstance(found, Problem):
        is_there = (MCPExternalAuthConfig.__name__, ref.name) in resources.invalid
        reason = Reason.AUTH_CONFIG_INVALID if is_there else Reason.AUTH_CONFIG_NOT_FOUND
        return Refusal(reason, replace(found, subject=subject))
    return Choice(found.spec, f"{found.kind}/{ref.name}", ("spec",))


def _refuse_references(choice: Choice, resources: Resources) -> Refusal | None:
    """A CA bundle or Secret that is known to be missing, or to be of no use."""
    for place, endpoint in choice.said.endpoints():
        loc = (*choice.loc, *place, "caBundleRef", "configMapRef")
        if endpoint.ca_bundle_ref and (refusal := refuse_bundle(endpoint.ca_bundle_ref.key_ref, resources, loc)):
            return Refusal(refusal.reason, replace(refusal.problem, subject=choice.subject))
    for place, ref, is_sent in _secrets(choice.said):
        loc = (*choice.loc, *place)
        if problem := check_secret(resources, ref, loc):
            return Refusal(Reason.SECRET_NOT_FOUND, replace(problem, subject=choice.subject))
        if not is_sent and (problem := find_empty(resources, ref, loc)):
            return Refusal(Reason.SECRET_INVALID, replace(problem, subject=choice.subject))
        if is_sent and (problem := find_unsendable(resources, ref, loc)):
            return Refusal(Reason.SECRET_INVALID, replace(problem, subject=choice.subject))
    return None


def _secrets(said: Said) -> Iterator[tuple[tuple[str, ...], KeyRef, bool]]:
    """The Secrets of a strategy by their place, and whether their value is sent as it is."""
    if said.header_injection:
        yield ("headerInjection", "valueSecretRef"), said.header_injection.value_secret_ref, True
    if said.bearer_token:
        yield ("bearerToken", "tokenSecretRef"), said.bearer_token.token_secret_ref, True
    for place, endpoint in said.endpoints():
        if ref := getattr(endpoint, "client_secret_ref", None):
            yield (*place, "clientSecretRef"), ref, False


def _refuse_callers(choice: Choice, vmcp: VirtualMCPServer) -> Refusal | None:
    """A strategy that does not go with how callers are identified."""
    kind = choice.said.type
    has_tokens = vmcp.spec.incoming_auth.type is IncomingAuthType.OIDC
    if kind in _OF_CALLERS and not has_tokens:
        message = "begins with the token of the caller, and callers come without"
        remedy = "set incomingAuth.type of the VirtualMCPServer to oidc, or use clientCredentials"
        return Refusal(Reason.CALLER_TOKEN_NEEDED, Problem(message, remedy, (*choice.loc, "type"), choice.subject))
    oidc = vmcp.spec.incoming_auth.oidc_config_ref
    if choice.said.relay and has_tokens and choice.said.relay.audience in (None, oidc.audience if oidc else None):
        message = "would hand a token of callers to a backend that it is not for"
        # The endpoint's own audience stands in the token of every caller.
        remedy = "write in relay.audience how `aud` of their tokens names this backend alone, or use tokenExchange"
        loc = (*choice.loc, "relay", "audience")
        return Refusal(Reason.RELAY_NOT_ALLOWED, Problem(message, remedy, loc, choice.subject))
    return None


def _refuse_hosts(choice: Choice, shown: Shown, vmcp: VirtualMCPServer, hosts: TokenHosts) -> Refusal | None:
    """A shared strategy that would send what callers came with to a host of which the endpoint's owner says nothing."""
    if isinstance(choice.said, BackendAuth):
        return None
    owner = f"outgoingAuth.allowedTokenHosts of the VirtualMCPServer {vmcp.metadata.name!r}"
    for place, url in token_urls_for_callers(choice.said):
        if url not in hosts:
            message = f"would send tokens of callers to {find_host(url) or 'a host that cannot be told'}"
            problem = Problem(f"{message}, which is not in {owner}", _say_allow(url), (*choice.loc, *place))
            return Refusal(Reason.TOKEN_HOST_NOT_ALLOWED, replace(problem, subject=choice.subject))
    if choice.said.relay and shown.url is not None and shown.url not in hosts:
        message = f"would relay headers of callers to {find_host(shown.url) or 'a host that cannot be told'}"
        remedy = (
            f"write relay under outgoingAuth.backends.{shown.member.metadata.name} there, or {_say_allow(shown.url)}"
        )
        problem = Problem(f"{message}, which is not in {owner}", remedy, (*choice.loc, "relay"))
        return Refusal(Reason.RELAY_NOT_ALLOWED, replace(problem, subject=choice.subject))
    return None


def _say_allow(url: str) -> str:
    return f"add {host} to that list if it may have them" if (host := find_host(url)) else "write the URL anew"


def _refuse_collision(choice: Choice, member: Member) -> Refusal | None:
    """A member whose static headers name one that it is to get from the caller: neither may silently win."""
    relay = choice.said.relay
    names = find_collisions(relay.headers, static_names(member.spec.header_forward)) if relay else ()
    if not names:
        return None
    message = f"{', '.join(names)} is static here and relayed from the caller by {choice.subject}"
    problem = Problem(message, "remove it from one of the two", ("spec", "headerForward"))
    return Refusal(Reason.HEADER_COLLISION, problem)


def find_broken_references(vmcp: VirtualMCPServer, resources: Resources) -> Iterator[Problem]:
    """What the VirtualMCPServer refers to and is not there or of no use, whether a member is shown it now or not."""
    outgoing = vmcp.spec.outgoing_auth
    told = [(("default",), outgoing.default)] if outgoing.default else []
    places: list[tuple[Loc, BackendAuth]] = [
        *told,
        *((("backends", name), each) for name, each in outgoing.backends.items()),
    ]
    for place, said in places:
        if said.external_auth_config_ref is None:
            continue
        loc = ("spec", "outgoingAuth", *place, "externalAuthConfigRef")
        choice = _follow(said.external_auth_config_ref, resources, f"VirtualMCPServer/{vmcp.metadata.name}", loc)
        refusal = choice if isinstance(choice, Refusal) else _refuse_references(choice, resources)
        if refusal:
            yield refusal.problem


def find_overridden(member: Member, auth: OutgoingAuth | None) -> Problem | None:
    """A static header that never goes out, as what the backend is shown has its name."""
    names = find_collisions(_sent(auth), static_names(member.spec.header_forward)) if auth else ()
    if not names:
        return None
    message = f"sets {', '.join(names)}, and what the backend is shown comes instead"
    return Problem(message, "remove it here", ("spec", "headerForward"))


def _sent(auth: OutgoingAuth) -> tuple[str, ...]:
    if auth.type in (OutgoingAuthType.UNAUTHENTICATED, OutgoingAuthType.RELAY):
        return ()
    if auth.header_injection:
        return (auth.header_injection.header_name,)
    named = auth.token_exchange.external_token_header_name if auth.token_exchange else None
    return (canonical_name(named or "Authorization"),)


def _build(said: Said, resources: Resources, mode: Mode) -> OutgoingAuth:
    def told(model: type[ModelT], endpoint: Any, **parts: Any) -> ModelT | None:
        if endpoint is None:
            return None
        own = {name: getattr(endpoint, name) for name in endpoint.model_fields_set & model.model_fields.keys()}
        reach = endpoint_reach(endpoint, endpoint.token_url, resources, mode)
        return model(**own | reach | parts)

    assertion = said.identity_assertion
    return OutgoingAuth(
        type=OutgoingAuthType(said.type),
        header_injection=said.header_injection,
        bearer_token=said.bearer_token,
        client_credentials=told(ClientCredentials, said.client_credentials),
        token_exchange=told(TokenExchange, said.token_exchange),
        identity_assertion=told(
            IdentityAssertion, assertion, idp=told(IdentityProvider, assertion.idp if assertion else None)
        ),
        relay=said.relay,
    )
