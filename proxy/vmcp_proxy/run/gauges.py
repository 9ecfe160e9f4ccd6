"""The figures that are read off the parts of the proxy whenever somebody asks for the metrics."""

from collections import Counter
from collections.abc import Iterator
from typing import Final

from vmcp_api.pod_status import CircuitState
from vmcp_proxy.core.members.member import Member, Members
from vmcp_proxy.observability.metrics import Metrics, families
from vmcp_proxy.protocol.kinds import Kind
from vmcp_proxy.run.wiring import Wiring

_LEVEL: Final = {CircuitState.CLOSED: 0, CircuitState.HALF_OPEN: 1, CircuitState.OPEN: 2}


def read_gauges(metrics: Metrics, parts: Wiring) -> None:
    """Says where each figure is found."""
    metrics.read_from(families.SESSIONS, lambda: parts.sessions.manager.live)
    metrics.read_from(families.HEADER_SNAPSHOTS, lambda: parts.sessions.manager.snapshots)
    metrics.read_from(
        families.SERVER_REQUESTS, lambda: sum(len(each.server_requests) for each in parts.sessions.clients.all())
    )
    metrics.read_from(families.STREAM_BUFFER, lambda: parts.sessions.clients.replay.budget.used)
    metrics.read_from(families.STREAM_DROPPED, lambda: parts.sessions.clients.replay.budget.dropped)
    metrics.read_from(families.POD_MESSAGES_DROPPED, lambda: dict(parts.sessions.pods.dropped))
    metrics.read_from(families.CONNECTIONS_OPENED, lambda: parts.client.connections_opened)
    metrics.read_from(families.TLS_CONTEXTS, lambda: parts.client.contexts_built)
    metrics.read_from(families.DEADLINES_MISSED, lambda: dict(parts.core.views.deadlines_missed))
    metrics.read_from(families.AUDIT_DROPPED, lambda: parts.surface.sources.audit.dropped)
    metrics.read_from(families.CIRCUIT_STATE, lambda: circuit_states(parts.core.group.members))
    metrics.read_from(families.CIRCUIT_TRANSITIONS, lambda: circuit_transitions(parts.core.group.members))
    metrics.read_from(families.CIRCUIT_REFUSED, lambda: refused_by_circuits(parts.core.group.members))
    metrics.read_from(
        families.BACKENDS, lambda: Counter(member.health.state.value for member in parts.core.group.members.values())
    )
    metrics.read_from(
        families.CAPABILITIES, lambda: {kind.value: len(parts.core.views.shared().of(kind)) for kind in Kind}
    )


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
