"""The exposition for Prometheus, in its own text format or in that of OpenMetrics."""

from collections.abc import Iterable, Iterator
from itertools import accumulate

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from prometheus_client.samples import Exemplar

from vmcp_proxy.observability.metrics.family import Kind
from vmcp_proxy.observability.metrics.measured import Measured
from vmcp_proxy.observability.metrics.series import Distribution


class _Families(Collector):
    def __init__(self, measured: Iterable[Measured]) -> None:
        self._measured = measured

    def collect(self) -> Iterator[Metric]:
        for each in self._measured:
            yield _family(each)


def render(measured: Iterable[Measured], accept: str) -> tuple[bytes, str]:
    """The text and its media type for an `Accept` header; what the process itself uses stands at its end."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Families(measured))
    ProcessCollector(registry=registry)
    encode, media_type = choose_encoder(accept)
    return encode(registry), media_type


def _family(measured: Measured) -> Metric:
    described = measured.family
    if described.kind is Kind.HISTOGRAM:
        return _histogram(measured)
    kind = CounterMetricFamily if described.kind is Kind.COUNTER else GaugeMetricFamily
    family = kind(described.exposed, described.help, labels=described.labels)
    for key, value in measured.values.items():
        if not isinstance(value, Distribution):
            family.add_metric([str(part) for part in key], value)
    return family


def _histogram(measured: Measured) -> Metric:
    described = measured.family
    family = HistogramMetricFamily(described.exposed, described.help, labels=described.labels)
    for key, seen in measured.values.items():
        if isinstance(seen, Distribution):
            family.add_metric([str(part) for part in key], _buckets(seen), seen.total)
    return family


def _buckets(seen: Distribution) -> list[tuple[str, int] | tuple[str, int, Exemplar]]:
    """Cumulated counts; with examples where there are any, which only the text of OpenMetrics shows."""
    buckets: list[tuple[str, int] | tuple[str, int, Exemplar]] = []
    for position, (bound, count) in enumerate(
        zip((*map(str, seen.bounds), "+Inf"), accumulate(seen.counts), strict=True)
    ):
        example = seen.exemplars.get(position)
        if example is None:
            buckets.append((bound, count))
        else:
            ids = {"trace_id": example.trace_id, "span_id": example.span_id}
            buckets.append((bound, count, Exemplar(ids, example.value, example.at / 1e9)))
    return buckets
