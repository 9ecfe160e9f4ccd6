"""Every family that the proxy has: what counts as it happens, and what is read off its parts."""

from typing import Final

from vmcp_proxy.observability.audit import EVENT_TYPES
from vmcp_proxy.observability.metrics.family import Family, Kind

NOTIFICATIONS: Final = (
    "notifications/initialized",
    "notifications/cancelled",
    "notifications/progress",
    "notifications/roots/list_changed",
)

METHODS: Final = frozenset((*EVENT_TYPES, *NOTIFICATIONS))
"""The values of the labels for methods; anything else counts as `other`."""


def _counter(name: str, unit: str, text: str, *attributes: str) -> Family:
    return Family(name, Kind.COUNTER, unit, text, attributes)


def _gauge(name: str, unit: str, text: str, *attributes: str) -> Family:
    return Family(name, Kind.GAUGE, unit, text, attributes)


def _histogram(name: str, text: str, *attributes: str) -> Family:
    return Family(name, Kind.HISTOGRAM, "s", text, attributes)


REQUESTS: Final = _counter("vmcp.requests", "{request}", "MCP requests.", "method", "status")
OPERATIONS: Final = _histogram(
    "mcp.server.operation.duration",
    "Duration of MCP requests as the client sees it; without an error type they succeeded.",
    "mcp.method.name",
    "error.type",
)
REJECTED: Final = _counter(
    "vmcp.http.rejected", "{request}", "HTTP requests refused before they were MCP requests.", "layer", "status"
)
BACKEND_REQUESTS: Final = _counter("vmcp.backend.requests", "{request}", "Requests to backends.", "backend", "method")
BACKEND_ERRORS: Final = _counter(
    "vmcp.backend.errors", "{request}", "Requests that a backend did not answer.", "backend", "category"
)
BACKEND_OPERATIONS: Final = _histogram(
    "mcp.client.operation.duration",
    "Duration of requests to backends; without an error type they were answered.",
    "mcp.method.name",
    "backend",
    "error.type",
)
TOOL_CALLS: Final = _counter(
    "vmcp.tool.calls",
    "{call}",
    "Tool calls sent to backends, by the name that clients know; without a category they were answered.",
    "backend",
    "tool",
    "category",
)
TOOL_ERRORS: Final = _counter(
    "vmcp.tool.errors", "{call}", "Tool results with isError: the tool failed, its backend answered.", "backend", "tool"
)
TOOL_DURATION: Final = _histogram(
    "vmcp.tool.call.duration", "Duration of tool calls as backends were waited for.", "backend", "tool"
)
SESSION_DURATION: Final = _histogram(
    "mcp.server.session.duration", "Duration of clients' sessions that are over.", "mcp.protocol.version"
)
BACKEND_SESSION_DURATION: Final = _histogram(
    "mcp.client.session.duration",
    "Duration of sessions with backends that are over; without an error type they were ended.",
    "backend",
    "mcp.protocol.version",
    "error.type",
)
POLICY_DECISIONS: Final = _counter(
    "vmcp.policy.decisions",
    "{decision}",
    "Decisions on calls, by the policies that made them; an empty id is the default, to deny.",
    "policy",
    "outcome",
    "mode",
)

WORKFLOW_EXECUTIONS: Final = _counter(
    "vmcp.workflow.executions", "{execution}", "Runs of composite tools that are over.", "workflow"
)
WORKFLOW_ERRORS: Final = _counter(
    "vmcp.workflow.errors",
    "{execution}",
    "Runs of composite tools that failed, were out of time, or could not begin because too many were running.",
    "workflow",
)
WORKFLOW_DURATION: Final = _histogram("vmcp.workflow.duration", "Duration of runs of composite tools.", "workflow")

SEARCHES: Final = _counter(
    "vmcp.search.requests",
    "{search}",
    "Searches for tools, by outcome: found, weak (little in common with the query), empty, or failed.",
    "outcome",
)
SEARCH_CALLS: Final = _counter(
    "vmcp.search.calls",
    "{call}",
    "Tools called by call_tool, by the rank that the client's last search gave them: 1 to 8, later, or none.",
    "rank",
)

COUNTED: Final = (
    REQUESTS,
    OPERATIONS,
    REJECTED,
    BACKEND_REQUESTS,
    BACKEND_ERRORS,
    BACKEND_OPERATIONS,
    TOOL_CALLS,
    TOOL_ERRORS,
    TOOL_DURATION,
    SESSION_DURATION,
    BACKEND_SESSION_DURATION,
    POLICY_DECISIONS,
    WORKFLOW_EXECUTIONS,
    WORKFLOW_ERRORS,
    WORKFLOW_DURATION,
    SEARCHES,
    SEARCH_CALLS,
)
"""Families that are counted as it happens."""

AUDIT_DROPPED: Final = _counter(
    "vmcp.audit.dropped", "{event}", "Audit events that are lost: their sink was away for too long, or refused them."
)
AUDIT_WAITING: Final = _gauge("vmcp.audit.waiting", "{event}", "Audit events that wait for their sink.")
SPANS_SENT: Final = _counter("vmcp.spans.sent", "{span}", "Spans of traces that a collector has taken.")
SPANS_DROPPED: Final = _counter(
    "vmcp.spans.dropped", "{span}", "Spans that were lost: too many waited, or no collector took them."
)
SESSIONS: Final = _gauge("vmcp.sessions", "{session}", "Live sessions on this pod.")
HEADER_SNAPSHOTS: Final = _gauge(
    "vmcp.header_snapshots", "{snapshot}", "Passthrough header snapshots held on this pod."
)
STATELESS_CLIENTS: Final = _gauge(
    "vmcp.stateless_clients",
    "{client}",
    "Clients without a session that this pod holds a catalog and backend sessions for, and their passthrough headers.",
)
LISTEN_STREAMS: Final = _gauge(
    "vmcp.listen_streams", "{stream}", "Streams of clients without a session that hear of changes from this pod."
)
CAPABILITIES: Final = _gauge("vmcp.catalog.capabilities", "{capability}", "Capabilities served, by kind.", "kind")
CATALOGS_KEPT: Final = _gauge(
    "vmcp.catalog.kept", "By", "Bytes kept of what single callers see: listings of backends, catalogs, pages of lists."
)
CATALOGS_DROPPED: Final = _counter(
    "vmcp.catalog.dropped",
    "{object}",
    "Listings, catalogs and pages that gave way to others: they are asked for, or made, anew.",
)
CONTEXT_BYTES: Final = _gauge(
    "vmcp.context.size",
    "By",
    "What a backend adds to the lists of a client, by kind, as JSON.",
    "backend",
    "kind",
)
CONTEXT_TOKENS: Final = _gauge(
    "vmcp.context.tokens",
    "{token}",
    "The same in tokens of a model: an estimate, one for every 4 bytes.",
    "backend",
    "kind",
)
SEARCH_TOKENS: Final = _gauge(
    "vmcp.search.context.tokens",
    "{token}",
    "Tokens of tools where they are searched: of all, and of those that are listed; an estimate as above.",
    "backend",
    "tools",
)
BACKENDS: Final = _gauge("vmcp.backends", "{backend}", "Backends, by health status.", "status")
SERVER_REQUESTS: Final = _gauge(
    "vmcp.server_requests.open",
    "{request}",
    "Requests of backends and of composite tools that wait for a client's answer.",
)
PARKED_CALLS: Final = _gauge(
    "vmcp.parked_calls",
    "{call}",
    "Calls of clients without a session that wait for the request with their answers.",
)
STREAM_BUFFER: Final = _gauge("vmcp.stream.buffer", "By", "Bytes kept for clients that may ask for them again.")
STREAM_DROPPED: Final = _counter(
    "vmcp.stream.messages_dropped", "{message}", "Messages that gave way before a client took them."
)
POD_MESSAGES_DROPPED: Final = _counter(
    "vmcp.pod.messages_dropped", "{message}", "Messages of other pods not taken, by reason.", "reason"
)
CONNECTIONS_OPENED: Final = _counter("vmcp.connections.opened", "{connection}", "Connections opened to backends.")
TLS_CONTEXTS: Final = _counter("vmcp.tls_contexts", "{context}", "TLS contexts built.")
DEADLINES_MISSED: Final = _counter(
    "vmcp.list.deadline_missed", "{listing}", "Listings that a backend did not answer in time.", "backend"
)
CIRCUIT_STATE: Final = _gauge(
    "vmcp.circuit.state", "{state}", "State of a backend's breaker: 0 closed, 1 half-open, 2 open.", "backend"
)
CIRCUIT_TRANSITIONS: Final = _counter(
    "vmcp.circuit.transitions", "{transition}", "States that a breaker entered.", "backend", "to"
)
CIRCUIT_REFUSED: Final = _counter(
    "vmcp.circuit.refused", "{request}", "Requests that an open breaker did not let pass.", "backend"
)
STORE_UP: Final = _gauge("vmcp.session_store.up", "{store}", "Whether the session store answers (1) or not (0).")
RATE_LIMIT_DECISIONS: Final = _counter(
    "vmcp.rate_limit.decisions", "{decision}", "What became of requests at each kind of bucket.", "limit", "outcome"
)
RATE_LIMITS_UP: Final = _gauge(
    "vmcp.rate_limits.up", "{store}", "Whether the buckets of rate limits can be asked (1) or not (0)."
)
CONFIG_REFUSED: Final = _gauge(
    "vmcp.config.refused", "{config}", "Whether the config that is mounted cannot be used (1), and a former one serves."
)
METRICS_EXPORTS: Final = _counter(
    "vmcp.metrics.exports",
    "{export}",
    "Exports of metrics by OTLP: sent, failed, or skipped while one was on its way; the next has their numbers.",
    "outcome",
)

READ: Final = (
    AUDIT_DROPPED,
    AUDIT_WAITING,
    SPANS_SENT,
    SPANS_DROPPED,
    SESSIONS,
    HEADER_SNAPSHOTS,
    STATELESS_CLIENTS,
    LISTEN_STREAMS,
    CAPABILITIES,
    CATALOGS_KEPT,
    CATALOGS_DROPPED,
    CONTEXT_BYTES,
    CONTEXT_TOKENS,
    SEARCH_TOKENS,
    BACKENDS,
    SERVER_REQUESTS,
    PARKED_CALLS,
    STREAM_BUFFER,
    STREAM_DROPPED,
    POD_MESSAGES_DROPPED,
    CONNECTIONS_OPENED,
    TLS_CONTEXTS,
    DEADLINES_MISSED,
    CIRCUIT_STATE,
    CIRCUIT_TRANSITIONS,
    CIRCUIT_REFUSED,
    STORE_UP,
    RATE_LIMIT_DECISIONS,
    RATE_LIMITS_UP,
    CONFIG_REFUSED,
    METRICS_EXPORTS,
)
"""Families whose values somebody else keeps: they are asked for at each snapshot."""

ALL: Final = (*COUNTED, *READ)
