"""What controller-runtime tells of a queue, under its names: one queue of ours holds the keys of every controller."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Final, Generic, Protocol, TypeVar

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

K = TypeVar("K")
K_co = TypeVar("K_co", covariant=True)

BUCKETS: Final = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1.0, 10.0, 100.0, 1000.0)
_LABELS: Final = ("name", "controller")


class Waiting(Protocol[K_co]):
    """The queue as a scrape sees it: keys with the seconds for which they have waited, or been worked on."""

    def waiting(self) -> Iterator[tuple[K_co, float]]: ...

    def worked_on(self) -> Iterator[tuple[K_co, float]]: ...


class QueueMetrics(Collector, Generic[K]):
    """Counts what a queue tells; `controller_of` names the controller of a key.

    A queue lasts for one term, its numbers for as long as the process.
    """

    def __init__(self, registry: CollectorRegistry, controller_of: Callable[[K], str]) -> None:
        self._controller_of: Final = controller_of
        self._queue: Waiting[K] | None = None
        self._known: Final[set[str]] = set()
        self._adds: Final = Counter("workqueue_adds", "Keys that were added.", _LABELS, registry=registry)
        self._retries: Final = Counter(
            "workqueue_retries", "Keys that were added again after a failure.", _LABELS, registry=registry
        )
        self._waits: Final = Histogram(
            "workqueue_queue_duration_seconds",
            "Time that a key waited for a worker.",
            _LABELS,
            buckets=BUCKETS,
            registry=registry,
        )
        self._works: Final = Histogram(
            "workqueue_work_duration_seconds",
            "Time that a worker had a key.",
            _LABELS,
            buckets=BUCKETS,
            registry=registry,
        )
        registry.register(self)

    def expect(self, controller: str) -> None:
        """Tells of a controller before it has had a key."""
        self._known.add(controller)
        for each in (self._adds, self._retries, self._waits, self._works):
            each.labels(controller, controller)

    def follow(self, queue: Waiting[K] | None) -> None:
        """Tells of this queue from now on."""
        self._queue = queue

    def added(self, key: K) -> None:
        """A key was added that did not wait already."""
        self._count(self._adds, key)

    def retried(self, key: K) -> None:
        """A key will be added again after a failure."""
        self._count(self._retries, key)

    def taken(self, key: K, seconds: float) -> None:
        """A worker took a key that had waited for so long."""
        self._observe(self._waits, key, seconds)

    def done(self, key: K, seconds: float) -> None:
        """A worker gave a key back."""
        self._observe(self._works, key, seconds)

    def collect(self) -> Iterator[Metric]:
        """The gauges of this moment."""
        depth, unfinished, longest = _zeros(), _zeros(), _zeros()
        if self._queue is not None:
            for key, _ in self._queue.waiting():
                depth[self._controller_of(key)] += 1
            for key, seconds in self._queue.worked_on():
                controller = self._controller_of(key)
                unfinished[controller] += seconds
                longest[controller] = max(longest[controller], seconds)
        for name, text, values in (
            ("workqueue_depth", "Keys that wait for a worker.", depth),
            ("workqueue_unfinished_work_seconds", "Time for which workers have had their keys, in all.", unfinished),
            ("workqueue_longest_running_processor_seconds", "Time for which one worker has had its key.", longest),
        ):
            family = GaugeMetricFamily(name, text, labels=_LABELS)
            for controller in sorted(self._known | values.keys()):
                family.add_metric([controller, controller], values[controller])
            yield family

    def _count(self, counter: Counter, key: K) -> None:
        controller = self._controller_of(key)
        counter.labels(controller, controller).inc()

    def _observe(self, histogram: Histogram, key: K, seconds: float) -> None:
        controller = self._controller_of(key)
        histogram.labels(controller, controller).observe(seconds)


def _zeros() -> defaultdict[str, float]:
    return defaultdict(float)
