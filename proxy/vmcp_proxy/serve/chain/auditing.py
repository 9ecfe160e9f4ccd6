"""The audit's two layers: one event for each request that authentication let in, and what the dispatch adds to it."""

import ipaddress
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, TypeAlias

import msgspec

from vmcp_proxy.observability.audit import (
    AuditEvent,
    EventFilter,
    Subject,
    Target,
    encode_event,
    event_type,
)
from vmcp_proxy.observability.audit_sink import AuditSink
from vmcp_proxy.serve.chain.decision_data import NO_DATA, DecisionData
from vmcp_proxy.serve.context import Enrichment, Handler, RequestContext

NAME: Final = "audit"
ENRICHMENT: Final = "backend_enrichment"
_LONGEST: Final = 1024

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network


def parse_networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """Networks in CIDR notation; a single address counts as a network of its own.

    Raises:
        ValueError: a text is no network.
    """
    return tuple(ipaddress.ip_network(text, strict=False) for text in texts)


def source_address(
    peer: str | None, headers: Iterable[tuple[bytes, bytes]], trusted: tuple[Network, ...]
) -> str | None:
    """The address that a request comes from.

    `X-Forwarded-For` counts only as far as trusted proxies wrote it: the list is walked from its end until an
    address stands there that is none of them. `peer` is the other end of the connection.
    """
    if peer is None or not _is_trusted(peer, trusted):
        return peer
    values = [value.decode("latin-1") for name, value in headers if name == b"x-forwarded-for"]
    hops = [hop.strip() for value in values for hop in value.split(",")]
    source = peer
    for hop in reversed(hops):
        address = _parse_address(hop)
        if address is None:
            break
        source = str(address)
        if not any(address in network for network in trusted):
            break
    return source


def _is_trusted(text: str, trusted: tuple[Network, ...]) -> bool:
    address = _parse_address(text)
    return address is not None and any(address in network for network in trusted)


def _parse_address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


@dataclass(frozen=True, slots=True)
class Auditor:
    """Turns requests into audit events; `component` names the endpoint (`<namespace>/<name>`)."""

    sink: AuditSink
    component: str
    filter: EventFilter
    trusted_proxies: tuple[Network, ...] = ()
    data: DecisionData = NO_DATA

    def record(self, context: RequestContext) -> None:
        """Writes the event of a request that is over, unless its type is filtered out."""
        kind = event_type(context.rpc_method)
        if self.filter.wants(kind):
            self.sink.write(encode_event(self._event(context, kind)))

    def _event(self, context: RequestContext, kind: str) -> AuditEvent:
        found = context.backend_enrichment
        identity = context.identity
        client = context.scope.get("client")
        peer = client[0] if client else None
        trusted = self.trusted_proxies
        request_id = context.request_id
        return AuditEvent(
            id=f"a-{request_id}",
            time=datetime.now(UTC),
            type=kind,
            outcome=context.final_outcome,
            component=self.component,
            source=source_address(peer, context.scope["headers"], trusted) if trusted else peer,
            subject=None if identity is None else Subject(identity.issuer, identity.subject),
            target=Target(_cut(found.method), _cut(found.name)) if found else Target(_cut(context.rpc_method)),
            backend=found.backend if found else "",
            session=found.session if found else "",
            decision=msgspec.UNSET
            if found is None or found.decision is None
            else self.data.describe(found.decision, identity),
            status=context.final_status,
            rejected_by=context.rejected_by,
            duration_ms=round((time.perf_counter() - context.started) * 1000, 3),
            request_bytes=len(context.body),
            response_bytes=context.bytes_out,
            request_id=request_id,
        )


def _cut(text: str) -> str:
    """What clients choose, at a length that fits a line."""
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def auditing(inner: Handler, auditor: Auditor) -> Handler:
    """Records the request when it is over, however it ended."""

    async def handle(context: RequestContext) -> None:
        try:
            await inner(context)
        finally:
            auditor.record(context)

    return handle


def backend_enrichment(inner: Handler) -> Handler:
    """Keeps for the event what the dispatch found out: method, target, backend and session, however it ended."""

    async def handle(context: RequestContext) -> None:
        try:
            await inner(context)
        finally:
            context.backend_enrichment = Enrichment(
                context.rpc_method, context.target, context.backend, context.session_ref, context.decision
            )

    return handle
