"""The layer that refuses requests by their headers alone."""

import logging
from collections.abc import Awaitable, Iterable
from dataclasses import dataclass
from typing import Final, Self

from vmcp_api.config import ProxyConfig
from vmcp_proxy.protocol.modern.eras import claims_modern, may_be_modern
from vmcp_proxy.serve.chain.header_rules import HostRule, OriginRule, accepts, is_json, wants_stream
from vmcp_proxy.serve.chain.refused_names import RefusedNames
from vmcp_proxy.serve.context import EVENT_STREAM, JSON, Handler, RequestContext, Told
from vmcp_proxy.serve.http.repeated import MOST_BYTES
from vmcp_proxy.serve.rejections import (
    BAD_LENGTH,
    BAD_REVISION,
    HOSTS_SETTING,
    MANY_CREDENTIALS,
    MANY_HOSTS,
    METHODS,
    NOT_ACCEPTABLE,
    NOT_JSON,
    NOT_LOCAL_HOST,
    NOT_LOCAL_ORIGIN,
    NOT_STREAM,
    ORIGINS_SETTING,
    REPEATED,
    REPEATED_MODERN,
    WRONG_HOST,
    WRONG_METHOD,
    WRONG_ORIGIN,
    Rejection,
    too_large,
)

NAME: Final = "header_validation"
_USUAL_ACCEPT: Final = frozenset({b"application/json, text/event-stream", b"*/*"})
"""What nearly every client sends: looked up before anything is taken apart."""

_EXPOSED: Final = b"Mcp-Session-Id, MCP-Protocol-Version, WWW-Authenticate, Retry-After"
_PREFLIGHT_SECONDS: Final = b"7200"


@dataclass(frozen=True, slots=True)
class HeaderPolicy:
    """What requests must look like; `max_body` in bytes, `legacy_revisions` as in `MCP-Protocol-Version`."""

    hosts: HostRule
    origins: OriginRule
    max_body: int
    legacy_revisions: frozenset[bytes]

    @classmethod
    def of(cls, config: ProxyConfig, *, local: bool, legacy_revisions: Iterable[str]) -> Self:
        """The policy of a config; `local` demands names of this machine in Host and Origin."""
        return cls(
            hosts=HostRule.of(config.allowed_hosts, loopback=local),
            origins=OriginRule.of(config.allowed_origins, loopback=local),
            max_body=config.config.operational.limits.request_body,
            legacy_revisions=frozenset(revision.encode() for revision in legacy_revisions),
        )


def check_headers(context: RequestContext, policy: HeaderPolicy) -> Rejection | None:
    """What is wrong with the headers of a request; `None` when it may go on.

    In order: more than one Host (400, RFC 9112 section 3.2) or Authorization (400), a repeated Mcp-* header (400),
    Host (421), Origin (403), method (405), `Accept` (406), `Content-Type` (415), declared length (413), protocol
    revision (400). Outside of sessions, revisions from 2026-07-28 on and what looks like no revision pass: the
    dispatch looks at the body too.
    """
    if (repeated := _check_repeated(context)) is not None:
        return repeated
    if not policy.hosts.allows(context.header(b"host")):
        return NOT_LOCAL_HOST if policy.hosts.loopback else WRONG_HOST
    origin = context.header(b"origin")
    if origin is not None and not policy.origins.allows(origin):
        return NOT_LOCAL_ORIGIN if policy.origins.loopback else WRONG_ORIGIN
    match context.http_method:
        case "POST":
            refusal = _check_post(context, policy)
        case "GET":
            is_wanted = wants_stream(context.header(b"accept")) or claims_modern(context.header)
            refusal = None if is_wanted else NOT_STREAM
        case "DELETE" | "OPTIONS":
            refusal = None
        case _:
            refusal = WRONG_METHOD
    return refusal or _check_revision(context, policy)


def _check_repeated(context: RequestContext) -> Rejection | None:
    names = [name for name, _ in context.scope["headers"]]
    if len(set(names)) == len(names):
        return None
    if names.count(b"host") > 1:
        return MANY_HOSTS
    if names.count(b"authorization") > 1:
        return MANY_CREDENTIALS
    if not any(name.startswith(b"mcp-") and names.count(name) > 1 for name in names):
        return None
    return REPEATED_MODERN if claims_modern(context.header) else REPEATED


def _check_revision(context: RequestContext, policy: HeaderPolicy) -> Rejection | None:
    revision = context.header(b"mcp-protocol-version")
    if revision is None or revision in policy.legacy_revisions:
        return None
    is_classified = may_be_modern(context.header) if context.http_method == "POST" else claims_modern(context.header)
    return None if is_classified else BAD_REVISION


def _check_post(context: RequestContext, policy: HeaderPolicy) -> Rejection | None:
    accept = context.header(b"accept")
    if accept not in _USUAL_ACCEPT and not accepts(accept, JSON) and not accepts(accept, EVENT_STREAM):
        return NOT_ACCEPTABLE
    if not is_json(context.header(b"content-type")):
        return NOT_JSON
    length = context.header(b"content-length")
    if length is None:
        return None
    if not length.isdigit():
        return BAD_LENGTH
    return too_large(policy.max_body) if int(length) > policy.max_body else None


def header_validation(
    inner: Handler, policy: HeaderPolicy, refused: RefusedNames, logger: logging.Logger, audit: Told | None
) -> Handler:
    """Refuses what the policy does not allow and answers CORS preflights of allowed origins.

    Each name that is refused is logged once: who runs the endpoint may want to allow it. `audit` hears of refusals.
    """

    def handle(context: RequestContext) -> Awaitable[None]:
        same = context.same_head
        if same is not None and same.passed is policy:
            # Of a head that comes again only the length may be another, which no more than 4 KiB are.
            return inner(context)
        return check(context)

    async def check(context: RequestContext) -> None:
        same = context.same_head
        refusal = check_headers(context, policy)
        origin = context.header(b"origin")
        if refusal in (WRONG_HOST, NOT_LOCAL_HOST):
            refused.note(logger, "Host", context.header(b"host"), HOSTS_SETTING)
        elif refusal in (WRONG_ORIGIN, NOT_LOCAL_ORIGIN):
            refused.note(logger, "Origin", origin, ORIGINS_SETTING)
        elif origin is not None and refusal not in (MANY_CREDENTIALS, MANY_HOSTS, REPEATED, REPEATED_MODERN):
            _allow(origin, context)
        if refusal is not None:
            await _refuse(context, refusal, audit)
        elif context.http_method == "OPTIONS":
            await context.respond(204, headers=_preflight(context))
        else:
            if same is not None and origin is None and policy.max_body >= MOST_BYTES:
                same.passed = policy
            await inner(context)

    return handle


async def _refuse(context: RequestContext, refusal: Rejection, audit: Told | None) -> None:
    try:
        await context.reject(NAME, refusal)
    finally:
        if audit is not None:
            audit(context)


def _allow(origin: bytes, context: RequestContext) -> None:
    context.cors_headers = (
        (b"access-control-allow-origin", origin),
        (b"access-control-expose-headers", _EXPOSED),
        (b"vary", b"Origin"),
    )


def _preflight(context: RequestContext) -> tuple[tuple[bytes, bytes], ...]:
    answer = [(b"allow", METHODS)]
    if context.cors_headers:
        answer += [
            (b"access-control-allow-methods", METHODS),
            (b"access-control-max-age", _PREFLIGHT_SECONDS),
        ]
        if requested := context.header(b"access-control-request-headers"):
            # Which headers a page sends is up to the operator's config (passthrough); the origin is trusted.
            answer.append((b"access-control-allow-headers", requested))
    return tuple(answer)
