"""Metrics under controller-runtime's names, in a registry of their own."""

from collections.abc import Iterable
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
SUCCESS: Final = "success"
REQUEUE_AFTER: Final = "requeue_after"
ERROR: Final = "error"
NO_ANSWER: Final = "<error>"
"""What stands for the status of a request that got none, as in client-go."""


class Telemetry:
    """What the operator counts; `controller` is the kind of a key in lower case."""

    def __init__(self) -> None:
        self.registry: Final = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.reconciles: Final = Counter(
            "controller_runtime_reconcile",
            "Reconciles by result: success, requeue_after, error.",
            ["controller", "result"],
            registry=self.registry,
        )
        self.errors: Final = Counter(
            "controller_runtime_reconcile_errors", "Reconciles that failed.", ["controller"], registry=self.registry
        )
        self.seconds: Final = Histogram(
            "controller_runtime_reconcile_time_seconds",
            "Length of a reconcile.",
            ["controller"],
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self.active: Final = Gauge(
            "controller_runtime_active_workers",
            "Workers that reconcile at this moment.",
            ["controller"],
            registry=self.registry,
        )
        self.workers: Final = Gauge(
            "controller_runtime_max_concurrent_reconciles",
            "Workers that there are, for all controllers together.",
            ["controller"],
            registry=self.registry,
        )
        self.requests: Final = Counter(
            "rest_client_requests",
            "Requests to the API server, by status, method and host; the code of one without an answer is `<error>`.",
            ["code", "method", "host"],
            registry=self.registry,
        )
        self.leads: Final = Gauge(
            "leader_election_master_status",
            "Whether this process holds the Lease of that name (1) or waits for it (0).",
            ["name"],
            registry=self.registry,
        )
        self.watch_up: Final = Gauge(
            "vmcp_operator_watch_up", "Whether the cluster is watched (1) or not (0).", registry=self.registry
        )
        self.watch_restarts: Final = Counter(
            "vmcp_operator_watch_restarts", "Times that the watch had to be started again.", registry=self.registry
        )
        self.refused: Final = Gauge(
            "vmcp_operator_optional_kind_refused",
            "Whether a kind of another operator is served but refused, so that it is not watched (1).",
            ["kind"],
            registry=self.registry,
        )
        self.resync_errors: Final = Counter(
            "vmcp_operator_resync_errors", "Resyncs that could not list the resources.", registry=self.registry
        )

    def expect(self, controllers: Iterable[str], workers: int) -> None:
        """Tells zeros of controllers that have not worked yet, so that a first failure is an increase."""
        for controller in controllers:
            for result in (SUCCESS, REQUEUE_AFTER, ERROR):
                self.reconciles.labels(controller, result)
            self.errors.labels(controller)
            self.seconds.labels(controller)
            self.active.labels(controller)
            self.workers.labels(controller).set(workers)

    def on_request(self, method: str, host: str, status: int | None) -> None:
        """A request to the API server was answered, or None: was not. May be called from any thread."""
        self.requests.labels(NO_ANSWER if status is None else str(status), method.upper(), host).inc()

    def render(self) -> bytes:
        """All metrics as text."""
        return generate_latest(self.registry)
