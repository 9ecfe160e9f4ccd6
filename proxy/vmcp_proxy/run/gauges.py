"""The figures that are read off the parts of the proxy whenever somebody asks for the metrics."""

from collections import Counter

from vmcp_proxy.core.catalog.capabilities import Kind
from vmcp_proxy.observability.metrics import Metrics
from vmcp_proxy.run import circuit_figures
from vmcp_proxy.run.wiring import Wiring


def read_gauges(metrics: Metrics, parts: Wiring) -> None:
    """Says where each figure is found."""
    metrics.read_from("vmcp_sessions", lambda: parts.sessions.live)
    metrics.read_from("vmcp_header_snapshots", lambda: parts.sessions.snapshots)
    metrics.read_from(
        "vmcp_server_requests_open", lambda: sum(len(each.server_requests) for each in parts.clients.all())
    )
    metrics.read_from("vmcp_stream_buffer_bytes", lambda: parts.clients.replay.budget.used)
    metrics.read_from("vmcp_stream_messages_dropped_total", lambda: parts.clients.replay.budget.dropped)
    metrics.read_from("vmcp_pod_messages_dropped_total", lambda: dict(parts.pods.dropped))
    metrics.read_from("vmcp_connections_opened_total", lambda: parts.client.connections_opened)
    metrics.read_from("vmcp_tls_contexts_total", lambda: parts.client.contexts_built)
    metrics.read_from("vmcp_list_deadline_missed_total", lambda: dict(parts.views.deadlines_missed))
    metrics.read_from("vmcp_audit_dropped_total", lambda: parts.audit.dropped)
    metrics.read_from("vmcp_circuit_state", lambda: circuit_figures.states(parts.group.members))
    metrics.read_from("vmcp_circuit_transitions_total", lambda: circuit_figures.transitions(parts.group.members))
    metrics.read_from("vmcp_circuit_refused_total", lambda: circuit_figures.refused(parts.group.members))
    metrics.read_from(
        "vmcp_backends", lambda: Counter(member.health.state.value for member in parts.group.members.values())
    )
    metrics.read_from(
        "vmcp_catalog_capabilities", lambda: {kind.value: len(parts.views.shared().of(kind)) for kind in Kind}
    )
