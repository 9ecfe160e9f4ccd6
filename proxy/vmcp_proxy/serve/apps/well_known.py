"""`/.well-known/*` of the MCP port: who gives tokens for it, and JSON 404 for the rest (RFC 8615, RFC 9728)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import msgspec

from vmcp_proxy.auth.incoming.protected_resource import ProtectedResource, RequestAddress
from vmcp_proxy.protocol.jsonrpc import encode_error
from vmcp_proxy.serve.chain.header_rules import HostRule
from vmcp_proxy.serve.context import Receive, Scope, Send
from vmcp_proxy.serve.rejections import (
    MANY_HOSTS,
    NO_SUCH_PATH,
    NOT_LOCAL_HOST,
    READ_ONLY,
    WRONG_HOST,
    Rejection,
)

PREFIX: Final = "/.well-known/"
NAME: Final = "well_known"

_JSON: Final = (b"content-type", b"application/json")
_OPEN: Final = ((b"access-control-allow-origin", b"*"), (b"cache-control", b"no-cache"))
"""Whoever may read it: it holds what everybody may know, and browsers' clients begin here."""

_PREFLIGHT: Final = (
    (b"access-control-allow-methods", b"GET, HEAD, OPTIONS"),
    (b"access-control-allow-headers", b"*, MCP-Protocol-Version"),
    (b"access-control-max-age", b"7200"),
)
_READS: Final = frozenset({"GET", "HEAD"})


@dataclass(frozen=True, slots=True)
class WellKnownSettings:
    """Which names requests may be for, and the resource that the endpoint is where it asks for tokens."""

    hosts: HostRule
    resource: ProtectedResource | None


class WellKnown:
    """The ASGI application of these paths; `current` is replaced as a whole. Nobody is asked who they are here."""

    def __init__(self, current: WellKnownSettings, on_rejected: Callable[[str, int], object]) -> None:
        self.current = current
        self._on_rejected: Final = on_rejected

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - bodies are not read
        """Answers one request, whatever body it has."""
        answer = self._answer(scope)
        if isinstance(answer, Rejection):
            self._on_rejected(NAME, answer.status)
            body = encode_error(None, answer.code, answer.message)
            await _send(send, answer.status, body, (*answer.headers, *_OPEN))
        elif scope["method"] == "OPTIONS":
            await _send(send, 204, b"", (*_PREFLIGHT, *_OPEN))
        else:
            await _send(send, 200, answer, _OPEN)

    def _answer(self, scope: Scope) -> bytes | Rejection:
        """The document of a path, or why there is none."""
        settings, headers = self.current, dict(reversed(scope["headers"]))
        if [name for name, _ in scope["headers"]].count(b"host") > 1:
            return MANY_HOSTS
        if not settings.hosts.allows(headers.get(b"host")):
            return NOT_LOCAL_HOST if settings.hosts.loopback else WRONG_HOST
        resource = settings.resource
        if resource is None or not resource.is_document(scope["path"]):
            return NO_SUCH_PATH
        if scope["method"] not in _READS | {"OPTIONS"}:
            return READ_ONLY
        document = resource.document(RequestAddress(headers.get(b"host"), headers.get(b"x-forwarded-proto")))
        return NO_SUCH_PATH if document is None else msgspec.json.encode(document)


async def _send(send: Send, status: int, body: bytes, headers: tuple[tuple[bytes, bytes], ...]) -> None:
    fields = [(b"content-length", b"%d" % len(body)), _JSON] if body else []
    await send({"type": "http.response.start", "status": status, "headers": [*fields, *headers]})
    await send({"type": "http.response.body", "body": body})
