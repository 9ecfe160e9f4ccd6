"""The figures that are read off the parts of the proxy whenever somebody asks for the metrics."""

import time
from collections import Counter
from collections.abc import Iterator
from functools import partial
from typing import Final

from vmcp_api.pod_status import CircuitState
from vmcp_proxy.core.catalog.catalog import Catalog
from vmcp_proxy.core.members.member import Member, Members
from vmcp_proxy.observability.metrics import Metrics, families
from vmcp_proxy.protocol.kinds import Kind
from vmcp_proxy.run.parts.core import CoreParts
from vmcp_proxy.run.wiring import Wiring
from vmcp_proxy.sessions import EndReason, Session

_LEVEL: Final = {CircuitState.CLOSED: 0, CircuitState.HALF_OPEN: 1, CircuitState.OPEN: 2}

_BYTES_PER_TOKEN: Final = 4


def read_gauges(metrics: Metrics, parts: Wiring) -> None:
    """Says where each figure is found."""
    metrics.read_from(families.SESSIONS, lambda: parts.sessions.manager.live)
    metrics.read_from(families.HEADER_SNAPSHOTS, lambda: parts.sessions.manager.snapshots)
    metrics.read_from(families.STATELESS_CLIENTS, lambda: len(parts.core.stateless))
    metrics.read_from(families.LISTEN_STREAMS, lambda: len(parts.core.listen))
    metrics.read_from(
        families.SERVER_REQUESTS, lambda: sum(len(each.server_requests) for each in parts.sessions.clients.all())
    )
    metrics.read_from(families.PARKED_CALLS, lambda: len(parts.core.pausing.parking))
    metrics.read_from(families.STREAM_BUFFER, lambda: parts.sessions.clients.replay.budget.used)
    metrics.read_from(families.STREAM_DROPPED, lambda: parts.sessions.clients.replay.budget.dropped)
    metrics.read_from(families.POD_MESSAGES_DROPPED, lambda: dict(parts.sessions.pods.dropped))
    metrics.read_from(families.CONNECTIONS_OPENED, lambda: parts.client.connections_opened)
    metrics.read_from(families.TLS_CONTEXTS, lambda: parts.client.contexts_built)
    metrics.read_from(families.DEADLINES_MISSED, lambda: dict(parts.core.views.deadlines_missed))
    metrics.read_from(families.AUDIT_DROPPED, lambda: parts.surface.sources.audit.dropped)
    metrics.read_from(families.AUDIT_WAITING, lambda: parts.surface.sources.audit.waiting)
    spans = parts.surface.sources.tracing.counts
    metrics.read_from(families.SPANS_SENT, lambda: spans.sent)
    metrics.read_from(families.SPANS_DROPPED, lambda: spans.dropped)
    metrics.read_from(families.CIRCUIT_STATE, lambda: circuit_states(parts.core.group.members))
    metrics.read_from(families.CIRCUIT_TRANSITIONS, lambda: circuit_transitions(parts.core.group.members))
    metrics.read_from(families.CIRCUIT_REFUSED, lambda: refused_by_circuits(parts.core.group.members))
    metrics.read_from(
        families.BACKENDS, lambda: Counter(member.health.state.value for member in parts.core.group.members.values())
    )
    metrics.read_from(
        families.CAPABILITIES, lambda: {kind.value: len(parts.core.views.shared().of(kind)) for kind in Kind}
    )
    metrics.read_from(families.CONTEXT_BYTES, lambda: context_bytes(parts.core.views.shared()))
    metrics.read_from(families.CONTEXT_TOKENS, lambda: context_tokens(parts.core.views.shared()))
    metrics.read_from(families.CATALOGS_KEPT, lambda: parts.core.services.budget.used)
    metrics.read_from(families.CATALOGS_DROPPED, lambda: parts.core.services.budget.dropped)
    metrics.read_from(families.SEARCH_TOKENS, lambda: search_tokens(parts.core))
    metrics.read_from(families.STORE_UP, lambda: int(parts.sessions.store.state.available))
    metrics.read_from(families.RATE_LIMIT_DECISIONS, lambda: parts.core.services.limits.observer.counts)
    metrics.read_from(families.RATE_LIMITS_UP, lambda: int(not parts.core.services.limits.limiter.state.is_away))
    metrics.read_from(families.CONFIG_REFUSED, lambda: int(parts.status.has_refused))
    parts.sessions.clients.on_left = partial(count_session, metrics)
    metrics.calls.served = lambda: {(tool.backend, tool.exposed) for tool in parts.core.views.shared().tools}


def count_session(metrics: Metrics, session: Session, reason: EndReason) -> None:
    """Counts a session that is over by how long it was; the pod that ends it counts it, and no other that had it."""
    if reason.deletes_backend_sessions and reason is not EndReason.ENDED_ELSEWHERE:
        metrics.on_session_end(session.protocol_version, time.monotonic() - session.created)


def context_bytes(catalog: Catalog) -> Counter[tuple[str, ...]]:
    """What the entries of each backend and kind are long, as clients list them without headers or tokens."""
    sizes: Counter[tuple[str, ...]] = Counter()
    for kind in Kind:
        for entry in catalog.of(kind):
            sizes[entry.backend, kind.value] += len(entry.raw)
    return sizes


def context_tokens(catalog: Catalog) -> dict[tuple[str, ...], float]:
    """An estimate of the tokens that a model reads of them."""
    return {key: -(-size // _BYTES_PER_TOKEN) for key, size in context_bytes(catalog).items()}


def search_tokens(core: CoreParts) -> dict[tuple[str, ...], float]:
    """The same for tools where they are searched: of all of them, and of those that lists hold."""
    catalog = core.catalog()
    listed = core.search.listed(catalog)
    if listed is None:
        return {}
    return {
        (backend, which): tokens
        for which, each in (("all", catalog), ("listed", listed))
        for (backend, kind), tokens in context_tokens(each).items()
        if kind == Kind.TOOL.value
    }


def circuit_states(members: Members) -> dict[str, float]:
    """The state of each: 0 closed, 1 half-open, 2 open."""
    return {member.name: _LEVEL[member.circuit.state] for member in _guarded(members)}


def circuit_transitions(members: Members) -> dict[tuple[str, ...], float]:
    """How often each has entered a state, by (backend, state)."""
    return {
        (member.name, state.value): count
        for member in _guarded(members)
        for state, count in member.circuit.entered.items()
    }


def refused_by_circuits(members: Members) -> dict[str, float]:
    """How many requests each did not let pass."""
    return {member.name: member.circuit.refused for member in _guarded(members)}


def _guarded(members: Members) -> Iterator[Member]:
    return (member for _, member in sorted(members.items()) if member.circuit.is_enabled)
