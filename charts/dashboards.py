"""Writes the dashboards for Grafana: `python -m charts.dashboards`."""

from pathlib import Path
from typing import Final

from charts.panels import Dashboard, Panel, mean_of_calls, quantile, quantiles, rate, render

FOLDER: Final = Path(__file__).resolve().parent / "vmcp-operator" / "dashboards"

_SERVED: Final = "mcp_server_operation_duration_seconds"
_CALLED: Final = "mcp_client_operation_duration_seconds"

_BACKEND_ERRORS: Final = rate("vmcp_backend_errors_total", "backend")
_OURS: Final = "and on (job, instance) vmcp_sessions{FILTER}"
"""Every process has such metrics: those of proxies are meant."""


def _share(labels: str) -> str:
    return f"sum(rate({_SERVED}_count{{FILTER, {labels}}}[RATE])) / sum(rate({_SERVED}_count{{FILTER}}[RATE]))"


ENDPOINT: Final = Dashboard(
    "endpoint",
    "vmcp / Endpoint",
    "What clients of a VirtualMCPServer get: requests, errors, latency, sessions, decisions.",
    "vmcp_sessions",
    ("namespace", "job"),
    may_come_by_otlp=True,
    panels=(
        Panel("Requests", "MCP requests by method.", ((rate("vmcp_requests_total", "method"), "{{method}}"),), "reqps"),
        Panel(
            "Share of errors",
            "Requests that did not succeed, whatever the reason; beside it those that failed here or behind.",
            (
                (_share('error_type!=""'), "all"),
                (_share('error_type="error"'), "error"),
            ),
            "percentunit",
        ),
        Panel(
            "Errors",
            "Errors by type.",
            ((rate(f"{_SERVED}_count", "error_type", 'error_type!=""'), "{{error_type}}"),),
            "reqps",
        ),
        Panel("Duration of tool calls", "As clients see it.", quantiles(_SERVED, 'mcp_method_name="tools/call"'), "s"),
        Panel(
            "Where the time of tool calls goes",
            "On average: what clients wait for, and what of it backends take.",
            ((mean_of_calls(_SERVED), "client waits"), (mean_of_calls(_CALLED), "backends take")),
            "s",
        ),
        Panel(
            "Refused before MCP",
            "HTTP requests that did not become MCP requests, by the layer that refused them.",
            ((rate("vmcp_http_rejected_total", "layer, status"), "{{layer}} {{status}}"),),
            "reqps",
        ),
        Panel(
            "Sessions", "Live sessions on each pod.", (("sum by (instance) (vmcp_sessions{FILTER})", "{{instance}}"),)
        ),
        Panel("Duration of sessions", "Of those that are over.", quantiles("mcp_server_session_duration_seconds"), "s"),
        Panel(
            "Session store",
            "Whether every pod reaches it.",
            (("min by (job) (vmcp_session_store_up{FILTER})", "{{job}}"),),
            most=1,
        ),
        Panel(
            "Decisions of policies",
            "By the policies that made them; an empty id is the default, to deny.",
            ((rate("vmcp_policy_decisions_total", "policy, outcome"), "{{policy}} {{outcome}}"),),
            "ops",
        ),
        Panel(
            "Rate limits",
            "Decisions of buckets, by what they limit.",
            ((rate("vmcp_rate_limit_decisions_total", "limit, outcome"), "{{limit}} {{outcome}}"),),
            "ops",
        ),
        Panel(
            "Capabilities",
            "What clients can list.",
            (("max by (kind) (vmcp_catalog_capabilities{FILTER})", "{{kind}}"),),
        ),
        Panel(
            "Searches for tools",
            "By what came of them: found, weak, empty or failed.",
            ((rate("vmcp_search_requests_total", "outcome"), "{{outcome}}"),),
            "ops",
        ),
        Panel(
            "Tools called after a search",
            "By the rank that the search gave them; later, or none: it did not find them well.",
            ((rate("vmcp_search_calls_total", "rank"), "{{rank}}"),),
            "ops",
        ),
        Panel(
            "Tokens of tools",
            "Of all, and of those that lists hold where tools are searched; an estimate.",
            (("sum by (tools) (max by (backend, tools) (vmcp_search_context_tokens{FILTER}))", "{{tools}}"),),
        ),
        Panel(
            "Audit events that wait",
            "For their sink, on each pod; more than a moment's worth means that it is away.",
            (("sum by (instance) (vmcp_audit_waiting{FILTER})", "{{instance}}"),),
        ),
        Panel(
            "Lost",
            "Audit events, messages for clients and spans of traces that were given up.",
            (
                ("sum(increase(vmcp_audit_dropped_total{FILTER}[RATE]))", "audit events"),
                ("sum(increase(vmcp_stream_messages_dropped_total{FILTER}[RATE]))", "messages to clients"),
                ("sum(increase(vmcp_spans_dropped_total{FILTER}[RATE]))", "spans"),
            ),
        ),
        Panel(
            "Catalogs of single callers",
            "Bytes kept of what callers see alone, on each pod; limits.catalogBytes is the most.",
            (("sum by (instance) (vmcp_catalog_kept_bytes{FILTER})", "{{instance}}"),),
            "bytes",
        ),
        Panel(
            "CPU",
            "One pod uses one core at most; add pods before it does.",
            ((f"sum by (instance) (rate(process_cpu_seconds_total{{FILTER}}[RATE]) {_OURS})", "{{instance}}"),),
        ),
        Panel(
            "Memory",
            "Resident, of each pod.",
            ((f"sum by (instance) (process_resident_memory_bytes{{FILTER}} {_OURS})", "{{instance}}"),),
            "bytes",
        ),
        Panel(
            "Config and telemetry",
            "Config that is refused (1), and exports by OTLP that failed.",
            (
                ("max by (job) (vmcp_config_refused{FILTER})", "config refused"),
                ('sum(increase(vmcp_metrics_exports_total{FILTER, outcome="failed"}[RATE]))', "exports failed"),
            ),
        ),
    ),
)

BACKENDS: Final = Dashboard(
    "backends",
    "vmcp / Backends and tools",
    "Which backend or tool is slow, fails, or costs the most context.",
    "vmcp_backends",
    ("namespace", "job"),
    may_come_by_otlp=True,
    panels=(
        Panel(
            "Health",
            "Backends of an endpoint by status, as the worst pod sees it.",
            (("max by (status) (vmcp_backends{FILTER})", "{{status}}"),),
        ),
        Panel("Requests", "By backend.", ((rate("vmcp_backend_requests_total", "backend"), "{{backend}}"),), "reqps"),
        Panel(
            "Unanswered",
            "By backend and reason.",
            ((rate("vmcp_backend_errors_total", "backend, category"), "{{backend}} {{category}}"),),
            "reqps",
        ),
        Panel(
            "Share unanswered",
            "Of the requests to a backend.",
            ((f"{_BACKEND_ERRORS} / {rate('vmcp_backend_requests_total', 'backend')}", "{{backend}}"),),
            "percentunit",
        ),
        Panel(
            "Duration, p95",
            "By backend.",
            ((quantile(0.95, _CALLED, "backend"), "{{backend}}"),),
            "s",
        ),
        Panel(
            "Duration of sessions, p95",
            "With backends, of those that are over, by what broke them.",
            (
                (
                    quantile(0.95, "mcp_client_session_duration_seconds", "backend, error_type"),
                    "{{backend}} {{error_type}}",
                ),
            ),
            "s",
        ),
        Panel(
            "Circuits",
            "0 closed, 1 half-open, 2 open.",
            (("max by (backend) (vmcp_circuit_state{FILTER})", "{{backend}}"),),
            most=2,
        ),
        Panel(
            "Held back",
            "Requests that open circuits did not let pass, and lists that came too late.",
            (
                (rate("vmcp_circuit_refused_total", "backend"), "{{backend}} refused"),
                (rate("vmcp_list_deadline_missed_total", "backend"), "{{backend}} listed late"),
            ),
            "reqps",
        ),
        Panel(
            "Busiest tools",
            "Calls, the ten that are called most.",
            ((f"topk(10, {rate('vmcp_tool_calls_total', 'backend, tool')})", "{{tool}} ({{backend}})"),),
            "reqps",
        ),
        Panel(
            "Tools that fail",
            "Results with isError: the tool says so itself.",
            ((f"topk(10, {rate('vmcp_tool_errors_total', 'backend, tool')})", "{{tool}} ({{backend}})"),),
            "reqps",
        ),
        Panel(
            "Slowest tools, p95",
            "The ten slowest.",
            (
                (
                    f"topk(10, {quantile(0.95, 'vmcp_tool_call_duration_seconds', 'backend, tool')})",
                    "{{tool}} ({{backend}})",
                ),
            ),
            "s",
        ),
        Panel(
            "Context in tokens",
            "What the lists cost a model by backend: an estimate, bytes / 4.",
            (("sum by (backend) (max by (backend, kind) (vmcp_context_tokens{FILTER}))", "{{backend}}"),),
            kind="bargauge",
        ),
        Panel(
            "Context in bytes",
            "By backend and kind.",
            (("max by (backend, kind) (vmcp_context_size_bytes{FILTER})", "{{backend}} {{kind}}"),),
            "bytes",
        ),
        Panel(
            "New connections",
            "Many of them are a backend that does not keep connections open.",
            (("sum(rate(vmcp_connections_opened_total{FILTER}[RATE]))", "opened"),),
            "ops",
        ),
    ),
)

OPERATOR: Final = Dashboard(
    "operator",
    "vmcp / Operator",
    "Whether the operator sees changes and gets through them.",
    "vmcp_operator_watch_up",
    ("namespace", "job"),
    panels=(
        Panel(
            "Watch",
            "Whether the cluster is watched.",
            (("max by (job) (vmcp_operator_watch_up{FILTER})", "{{job}}"),),
            most=1,
        ),
        Panel(
            "Leader",
            "The pod that works; the others wait for its Lease.",
            (("max by (instance) (leader_election_master_status{FILTER})", "{{instance}}"),),
            most=1,
        ),
        Panel(
            "Requests to the API server",
            "By method and status.",
            ((rate("rest_client_requests_total", "method, code"), "{{method}} {{code}}"),),
            "reqps",
        ),
        Panel(
            "Reconciles",
            "By kind and result.",
            ((rate("controller_runtime_reconcile_total", "controller, result"), "{{controller}} {{result}}"),),
            "ops",
        ),
        Panel(
            "Errors",
            "By kind.",
            ((rate("controller_runtime_reconcile_errors_total", "controller"), "{{controller}}"),),
            "ops",
        ),
        Panel(
            "Duration of reconciles, p95",
            "By kind.",
            (
                (
                    quantile(0.95, "controller_runtime_reconcile_time_seconds", "controller"),
                    "{{controller}}",
                ),
            ),
            "s",
        ),
        Panel(
            "Queue", "Keys that wait, by kind.", (("sum by (controller) (workqueue_depth{FILTER})", "{{controller}}"),)
        ),
        Panel(
            "Added to the queue",
            "And added again after a failure.",
            (
                ("sum(rate(workqueue_adds_total{FILTER}[RATE]))", "added"),
                ("sum(rate(workqueue_retries_total{FILTER}[RATE]))", "again"),
            ),
            "ops",
        ),
        Panel(
            "Watch started again",
            "And resyncs that could not list.",
            (
                ("sum(increase(vmcp_operator_watch_restarts_total{FILTER}[RATE]))", "watch restarts"),
                ("sum(increase(vmcp_operator_resync_errors_total{FILTER}[RATE]))", "resync errors"),
            ),
        ),
    ),
)

ALL: Final = (ENDPOINT, BACKENDS, OPERATOR)


def main() -> int:
    """Write the files."""
    FOLDER.mkdir(exist_ok=True)
    for dashboard in ALL:
        (FOLDER / f"{dashboard.name}.json").write_text(render(dashboard), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
