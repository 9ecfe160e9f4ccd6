"""Metrics under controller-runtime's names, in a registry of their own."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


def _nothing() -> int:
    return 0


@dataclass(slots=True, eq=False)
class _Queue(Collector):
    """Reads the queue of the present term; what only grows is a counter, though the queue itself counts it."""

    depth: Callable[[], int] = _nothing
    adds: Callable[[], int] = _nothing
    retries: Callable[[], int] = _nothing

    def collect(self) -> Iterator[Metric]:
        """The metrics of this moment."""
        for kind, name, text, read in (
            (GaugeMetricFamily, "workqueue_depth", "Keys that wait for a worker.", self.depth),
            (CounterMetricFamily, "workqueue_adds", "Keys that were added.", self.adds),
            (CounterMetricFamily, "workqueue_retries", "Keys that were added again after a failure.", self.retries),
        ):
            family = kind(name, text, labels=["name"])
            family.add_metric(["vmcp"], read())
            yield family


class Telemetry:
    """What the operator counts; `controller` is the kind of a key in lower case."""

    def __init__(self) -> None:
        self.registry: Final = CollectorRegistry()
        self._queue: Final = _Queue()
        self.registry.register(self._queue)
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
        self.resync_errors: Final = Counter(
            "vmcp_operator_resync_errors", "Resyncs that could not list the resources.", registry=self.registry
        )

    def observe_queue(self, depth: Callable[[], int], adds: Callable[[], int], retries: Callable[[], int]) -> None:
        """Tells of a queue as it is when somebody asks, in place of the one before."""
        self._queue.depth, self._queue.adds, self._queue.retries = depth, adds, retries

    def render(self) -> bytes:
        """All metrics as text."""
        return generate_latest(self.registry)
