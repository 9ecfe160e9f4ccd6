"""The layer that refuses requests by their headers alone."""

import logging
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Self

from vmcp_api.config import ProxyConfig
from vmcp_proxy.protocol.jsonrpc import INVALID_REQUEST
from vmcp_proxy.protocol.versions import CLIENT_REVISIONS, SESSION_HEADER
from vmcp_proxy.serve.chain.header_rules import HostRule, OriginRule, accepts, is_json, wants_stream
from vmcp_proxy.serve.chain.refused_names import RefusedNames
from vmcp_proxy.serve.context import EVENT_STREAM, JSON, Handler, RequestContext

NAME: Final = "header_validation"
TRANSPORT_ERROR: Final = -32000
"""JSON-RPC code (server error) of refusals that have none of their own."""

METHODS: Final = b"GET, POST, DELETE, OPTIONS"
_USUAL_ACCEPT: Final = frozenset({b"application/json, text/event-stream", b"*/*"})
"""What nearly every client sends: looked up before anything is taken apart."""

_MODERN: Final = b"2026-07-28"
_REVISION: Final = re.compile(rb"\d{4}-\d{2}-\d{2}")
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


@dataclass(frozen=True, slots=True)
class HttpRefusal:
    """Why a request is refused before it is a message: the HTTP status and what the client should know."""

    status: int
    message: str
    code: int = TRANSPORT_ERROR
    headers: tuple[tuple[bytes, bytes], ...] = ()


_HOSTS: Final = "spec.allowedHosts"
_ORIGINS: Final = "spec.allowedOrigins"
_WRONG_HOST: Final = "This endpoint does not answer to the name in the Host header; "
_WRONG_ORIGIN: Final = "Pages from this origin may not use this endpoint; "
WRONG_HOST: Final = HttpRefusal(421, f"{_WRONG_HOST}list the name in {_HOSTS}.")
WRONG_ORIGIN: Final = HttpRefusal(403, f"{_WRONG_ORIGIN}list the origin in {_ORIGINS}.")
NOT_LOCAL_HOST: Final = HttpRefusal(
    421, f"{_WRONG_HOST}in local mode use localhost or 127.0.0.1, or list the name in {_HOSTS}."
)
NOT_LOCAL_ORIGIN: Final = HttpRefusal(
    403, f"{_WRONG_ORIGIN}in local mode those of localhost and 127.0.0.1 may, others if {_ORIGINS} lists them."
)
WRONG_METHOD: Final = HttpRefusal(405, "Method not allowed; use POST, GET or DELETE.", headers=((b"allow", METHODS),))
NOT_STREAM: Final = HttpRefusal(406, "A GET opens an event stream; accept text/event-stream.")
NOT_ACCEPTABLE: Final = HttpRefusal(406, "Answers are application/json or text/event-stream; accept both.")
NOT_JSON: Final = HttpRefusal(415, "Send the message as Content-Type: application/json.")
TOO_LARGE: Final = HttpRefusal(413, "The request body is larger than this endpoint allows.", INVALID_REQUEST)
BAD_LENGTH: Final = HttpRefusal(400, "Content-Length must be a number.", INVALID_REQUEST)
MANY_HOSTS: Final = HttpRefusal(400, "Send one Host header.", INVALID_REQUEST)
REPEATED: Final = HttpRefusal(400, "Send each Mcp-* header once.", INVALID_REQUEST)
BAD_REVISION: Final = HttpRefusal(
    400, f"Unsupported MCP-Protocol-Version; sessions speak {', '.join(sorted(CLIENT_REVISIONS))}.", INVALID_REQUEST
)


def check_headers(context: RequestContext, policy: HeaderPolicy) -> HttpRefusal | None:
    """What is wrong with the headers of a request; `None` when it may go on.

    In order: more than one Host (400, RFC 9112 section 3.2), a repeated Mcp-* header (400), Host (421), Origin (403),
    method (405), `Accept` (406), `Content-Type` (415), declared length (413), protocol revision (400). Outside of
    sessions, revisions from 2026-07-28 on are judged where the eras are told apart.
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
            refusal = None if wants_stream(context.header(b"accept")) else NOT_STREAM
        case "DELETE" | "OPTIONS":
            refusal = None
        case _:
            refusal = WRONG_METHOD
    return refusal or _check_revision(context, policy)


def _check_repeated(context: RequestContext) -> HttpRefusal | None:
    names = [name for name, _ in context.scope["headers"]]
    if len(set(names)) == len(names):
        return None
    if names.count(b"host") > 1:
        return MANY_HOSTS
    return REPEATED if any(name.startswith(b"mcp-") and names.count(name) > 1 for name in names) else None


def _check_revision(context: RequestContext, policy: HeaderPolicy) -> HttpRefusal | None:
    revision = context.header(b"mcp-protocol-version")
    if revision is None or revision in policy.legacy_revisions:
        return None
    is_modern = revision >= _MODERN and _REVISION.fullmatch(revision)
    return None if is_modern and context.header(SESSION_HEADER) is None else BAD_REVISION


def _check_post(context: RequestContext, policy: HeaderPolicy) -> HttpRefusal | None:
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
    return TOO_LARGE if int(length) > policy.max_body else None


def header_validation(inner: Handler, policy: HeaderPolicy, refused: RefusedNames, logger: logging.Logger) -> Handler:
    """Refuses what the policy does not allow and answers CORS preflights of allowed origins.

    Each name that is refused is logged once: who runs the endpoint may want to allow it.
    """

    async def handle(context: RequestContext) -> None:
        refusal = check_headers(context, policy)
        origin = context.header(b"origin")
        if refusal in (WRONG_HOST, NOT_LOCAL_HOST):
            refused.note(logger, "Host", context.header(b"host"), _HOSTS)
        elif refusal in (WRONG_ORIGIN, NOT_LOCAL_ORIGIN):
            refused.note(logger, "Origin", origin, _ORIGINS)
        elif origin is not None and refusal not in (MANY_HOSTS, REPEATED):
            context.cors_headers = (
                (b"access-control-allow-origin", origin),
                (b"access-control-expose-headers", _EXPOSED),
                (b"vary", b"Origin"),
            )
        if refusal is not None:
            await context.reject(NAME, refusal.status, refusal.code, refusal.message, headers=refusal.headers)
        elif context.http_method == "OPTIONS":
            await context.respond(204, headers=_preflight(context))
        else:
            await inner(context)

    return handle


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
