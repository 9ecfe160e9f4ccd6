"""What the proxy counts, with bounded label sets."""

from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate
from typing import Final, Protocol

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from vmcp_proxy.observability.audit import EVENT_TYPES, Outcome

BUCKETS: Final = (
    0.0005,
    0.001,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    5.0,
    10.0,
    30.0,
    60.0,
    300.0,
)
"""Upper bounds of the duration histograms, in seconds."""

NOTIFICATIONS: Final = (
    "notifications/initialized",
    "notifications/cancelled",
    "notifications/progress",
    "notifications/roots/list_changed",
)

METHODS: Final = frozenset((*EVENT_TYPES, *NOTIFICATIONS))
"""The values of the label `method`; anything else counts as `other`."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A family whose values somebody else keeps: they are asked for at each scrape."""

    help: str
    labels: tuple[str, ...] = ()
    counter: bool = False


READINGS: Final[Mapping[str, Reading]] = {
    "vmcp_audit_dropped_total": Reading("Audit events that could not be written.", counter=True),
    "vmcp_sessions": Reading("Live sessions on this pod."),
    "vmcp_header_snapshots": Reading("Passthrough header snapshots held on this pod."),
    "vmcp_catalog_capabilities": Reading("Capabilities served, by kind.", ("kind",)),
    "vmcp_backends": Reading("Backends, by health status.", ("status",)),
    "vmcp_server_requests_open": Reading("Requests of backends that wait for a client's answer."),
    "vmcp_stream_buffer_bytes": Reading("Bytes kept for clients that may ask for them again."),
    "vmcp_stream_messages_dropped_total": Reading("Messages that gave way before a client took them.", counter=True),
    "vmcp_pod_messages_dropped_total": Reading(
        "Messages of other pods not taken, by reason.", ("reason",), counter=True
    ),
    "vmcp_connections_opened_total": Reading("Connections opened to backends.", counter=True),
    "vmcp_tls_contexts_total": Reading("TLS contexts built.", counter=True),
    "vmcp_list_deadline_missed_total": Reading(
        "Listings that a backend did not answer in time.", ("backend",), counter=True
    ),
    "vmcp_circuit_state": Reading("State of a backend's breaker: 0 closed, 1 half-open, 2 open.", ("backend",)),
    "vmcp_circuit_transitions_total": Reading("States that a breaker entered.", ("backend", "to"), counter=True),
    "vmcp_circuit_refused_total": Reading(
        "Requests that an open breaker did not let pass.", ("backend",), counter=True
    ),
}
"""Families that are read by callback."""

Values = float | Mapping[str, float] | Mapping[tuple[str, ...], float]
"""A single number, or numbers by label value; with several labels, by a tuple of values."""


class _Series:
    """One histogram child: bucket counts (not cumulative) and the sum of what was seen, in seconds."""

    __slots__ = ("counts", "total")

    def __init__(self) -> None:
        self.counts = [0] * (len(BUCKETS) + 1)
        self.total = 0.0

    def observe(self, seconds: float) -> None:
        self.counts[bisect_left(BUCKETS, seconds)] += 1
        self.total += seconds

    @property
    def count(self) -> int:
        return sum(self.counts)

    def add(self, other: "_Series") -> None:
        self.counts = [mine + theirs for mine, theirs in zip(self.counts, other.counts, strict=True)]
        self.total += other.total


_Key = tuple[str | int, ...]


class _Named(Protocol):
    @property
    def name(self) -> str: ...


class _WithMethod(Protocol):
    @property
    def method(self) -> str: ...


class BackendCalls:
    """Requests to one backend by one method: the span of every such call, for it keeps nothing of the single one."""

    __slots__ = ("_backend", "_method", "_series")

    headers: Final[tuple[tuple[bytes, bytes], ...]] = ()

    def __init__(self, series: dict[_Key, _Series], backend: str, method: str) -> None:
        self._series: Final = series
        self._backend: Final = backend
        self._method: Final = method

    def end(self, category: str | None, seconds: float) -> None:
        """Counts one request; `category` names why there was no answer, `None` is one."""
        key = (self._backend, self._method, category or "")
        series = self._series.get(key)
        if series is None:
            series = self._series[key] = _Series()
        series.observe(seconds)


class Metrics(Collector):
    """Counters of one proxy with a registry of their own.

    The hot path adds to plain dicts on the event loop, one series per combination of labels: the client
    library's own children take a lock and a linear walk over the buckets for each family. A scrape sums the
    series up into families.
    """

    def __init__(self) -> None:
        self._served: dict[_Key, _Series] = {}
        self._called: dict[_Key, _Series] = {}
        self._calls: dict[tuple[str, str], BackendCalls] = {}
        self._rejected: dict[_Key, float] = {}
        self._tool_errors: dict[_Key, float] = {}
        self._decisions: dict[_Key, float] = {}
        self._readers: dict[str, Callable[[], Values]] = {}
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)
        ProcessCollector(registry=self._registry)

    def on_request(self, method: str, status: int, outcome: Outcome, seconds: float) -> None:
        """Counts one MCP request that the dispatch answered (or broke on) with an HTTP status."""
        key = (method if method in METHODS else "other", status, outcome)
        series = self._served.get(key)
        if series is None:
            series = self._served[key] = _Series()
        series.observe(seconds)

    def begin(self, member: _Named, operation: _WithMethod) -> "BackendCalls":
        """The span of a request to a backend: it counts when it ends."""
        method = operation.method
        calls = self._calls.get((member.name, method))
        if calls is None:
            label = method if method in METHODS else "other"
            calls = self._calls[member.name, label] = BackendCalls(self._called, member.name, label)
        return calls

    def on_rejected(self, layer: str, status: int) -> None:
        """Counts one HTTP request that a layer outside telemetry refused."""
        self._rejected[layer, status] = self._rejected.get((layer, status), 0) + 1

    def on_tool_error(self, backend: str) -> None:
        """Counts one tool result with `isError`: the tool failed, the transport did not."""
        self._tool_errors[backend,] = self._tool_errors.get((backend,), 0) + 1

    def on_decision(self, policies: Iterable[str], outcome: str, mode: str) -> None:
        """Counts one decision under each policy that made it come out so."""
        for policy in policies:
            key = (policy, outcome, mode)
            self._decisions[key] = self._decisions.get(key, 0) + 1

    def keep_policies(self, policies: Collection[str]) -> None:
        """Forgets what was counted under other ids: edits must not add up to series without end."""
        self._decisions = {key: count for key, count in self._decisions.items() if key[0] in policies}

    def read_from(self, name: str, reader: Callable[[], Values]) -> None:
        """Takes a family of `READINGS` from a callback, which runs at each scrape on the event loop.

        Raises:
            KeyError: there is no such family.
        """
        READINGS[name]
        self._readers[name] = reader

    def collect(self) -> Iterator[Metric]:
        """A snapshot of all families; call it on the event loop."""
        yield from _served_families(self._served)
        yield from _called_families(self._called)
        rejected = "HTTP requests refused before they were MCP requests."
        yield _counters("vmcp_http_rejected", rejected, ("layer", "status"), self._rejected)
        yield _counters("vmcp_tool_errors", "Tool results with isError.", ("backend",), self._tool_errors)
        text = "Decisions on calls, by the policies that made them; an empty id is the default, to deny."
        yield _counters("vmcp_policy_decisions", text, ("policy", "outcome", "mode"), self._decisions)
        for name, reader in self._readers.items():
            yield _readings(name, READINGS[name], reader())

    def snapshot(self) -> "Snapshot":
        """Everything as it is now, to be encoded elsewhere (a big scrape takes milliseconds)."""
        return Snapshot(tuple(self._registry.collect()))


@dataclass(frozen=True, slots=True)
class Snapshot(Collector):
    """Families as they were at one moment; may be encoded in another thread."""

    families: tuple[Metric, ...]

    def collect(self) -> Iterable[Metric]:
        return self.families

    def render(self, accept: str) -> tuple[bytes, str]:
        """The exposition text and its media type for an `Accept` header (Prometheus or OpenMetrics text)."""
        encode, media_type = choose_encoder(accept)
        return encode(self), media_type


def _served_families(served: Mapping[_Key, _Series]) -> Iterator[Metric]:
    requests: dict[_Key, float] = {}
    durations: dict[_Key, _Series] = {}
    for (method, status, outcome), series in served.items():
        requests[method, status] = requests.get((method, status), 0) + series.count
        durations.setdefault((method, outcome), _Series()).add(series)
    yield _counters("vmcp_requests", "MCP requests.", ("method", "status"), requests)
    text = "Duration of MCP requests as the client sees it."
    yield _histogram("mcp_server_operation_duration_seconds", text, ("method", "outcome"), durations)


def _called_families(called: Mapping[_Key, _Series]) -> Iterator[Metric]:
    requests: dict[_Key, float] = {}
    errors: dict[_Key, float] = {}
    durations: dict[_Key, _Series] = {}
    for (backend, method, category), series in called.items():
        requests[backend, method] = requests.get((backend, method), 0) + series.count
        if category:
            errors[backend, category] = errors.get((backend, category), 0) + series.count
        key = (method, backend, "error" if category else "success")
        durations.setdefault(key, _Series()).add(series)
    yield _counters("vmcp_backend_requests", "Requests to backends.", ("backend", "method"), requests)
    text = "Requests that a backend did not answer."
    yield _counters("vmcp_backend_errors", text, ("backend", "category"), errors)
    text = "Duration of requests to backends."
    labels = ("method", "backend", "outcome")
    yield _histogram("mcp_client_operation_duration_seconds", text, labels, durations)


def _counters(name: str, text: str, labels: tuple[str, ...], counter: Mapping[_Key, float]) -> Metric:
    family = CounterMetricFamily(name, text, labels=labels)
    for values, count in counter.items():
        family.add_metric([str(value) for value in values], count)
    return family


def _histogram(name: str, text: str, labels: tuple[str, ...], durations: Mapping[_Key, _Series]) -> Metric:
    family = HistogramMetricFamily(name, text, labels=labels)
    bounds = (*(str(bound) for bound in BUCKETS), "+Inf")
    for values, series in durations.items():
        cumulated = list(zip(bounds, accumulate(series.counts), strict=True))
        family.add_metric([str(value) for value in values], cumulated, series.total)
    return family


def _readings(name: str, reading: Reading, values: Values) -> Metric:
    kind = CounterMetricFamily if reading.counter else GaugeMetricFamily
    family = kind(name, reading.help, labels=reading.labels)
    pairs = values.items() if isinstance(values, Mapping) else (((), values),)
    for label, value in pairs:
        family.add_metric((label,) if isinstance(label, str) else label, value)
    return family
