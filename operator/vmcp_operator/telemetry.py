"""Metrics under controller-runtime's names, in a registry of their own."""

from collections.abc import Callable
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class Telemetry:
    """What the operator counts; `controller` is the kind of a key in lower case."""

    def __init__(self) -> None:
        self.registry: Final = CollectorRegistry()
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
        self.watch_up: Final = Gauge(
            "vmcp_operator_watch_up", "Whether the cluster is watched (1) or not (0).", registry=self.registry
        )
        self.watch_restarts: Final = Counter(
            "vmcp_operator_watch_restarts", "Times that the watch had to be started again.", registry=self.registry
        )
        self.resync_errors: Final = Counter(
            "vmcp_operator_resync_errors", "Resyncs that could not list the resources.", registry=self.registry
        )

    def observe_queue(self, depth: Callable[[], int], adds: Callable[[], int], retries: Callable[[], int]) -> None:
        """Tells of a queue as it is when somebody asks."""
        for name, text, read in (
            ("workqueue_depth", "Keys that wait for a worker.", depth),
            ("workqueue_adds_total", "Keys that were added.", adds),
            ("workqueue_retries_total", "Keys that were added again after a failure.", retries),
        ):
            gauge = Gauge(name, text, ["name"], registry=self.registry)
            gauge.labels(name="vmcp").set_function(read)

    def render(self) -> bytes:
        """All metrics as text."""
        return generate_latest(self.registry)
