"""The numbers of a snapshot in the objects of OpenTelemetry's SDK; import it where metrics are sent, for its weight."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from opentelemetry.sdk.metrics import Exemplar
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from vmcp_proxy.observability.metrics.family import Kind
from vmcp_proxy.observability.metrics.measured import Measured
from vmcp_proxy.observability.metrics.series import Distribution, Key
from vmcp_proxy.observability.metrics.snapshot import Snapshot

_CUMULATIVE: Final = AggregationTemporality.CUMULATIVE
_UNSET: Final[Any] = None
"""What the encoder leaves out: the SDK's types know no point without a least and a greatest value."""


def to_data(snapshot: Snapshot, resource: Mapping[str, str], version: str) -> MetricsData:
    """All families that have values, cumulative since the process began, or since a series did."""
    metrics = [metric for each in snapshot.measured() for metric in _metrics(each, snapshot)]
    scope = ScopeMetrics(InstrumentationScope("vmcp", version), metrics, "")
    return MetricsData([ResourceMetrics(Resource(dict(resource)), [scope], "")])


def rejected_points(answer: bytes) -> int:
    """How many data points a collector says that it did not take; what cannot be read says nothing."""
    try:
        rejected: int = ExportMetricsServiceResponse.FromString(answer).partial_success.rejected_data_points
    except DecodeError:
        return 0
    return max(rejected, 0)


def _metrics(measured: Measured, snapshot: Snapshot) -> Iterator[Metric]:
    family = measured.family
    if not measured.values:
        return
    data: Gauge | Sum | Histogram
    if family.kind is Kind.HISTOGRAM:
        data = Histogram(list(_distributions(measured, snapshot.at)), _CUMULATIVE)
    elif family.kind is Kind.COUNTER:
        data = Sum(list(_numbers(measured, snapshot.began, snapshot.at)), _CUMULATIVE, is_monotonic=True)
    else:
        data = Gauge(list(_numbers(measured, 0, snapshot.at)))
    yield Metric(family.name, family.help, family.unit, data)


def _numbers(measured: Measured, since: int, at: int) -> Iterator[NumberDataPoint]:
    for key, value in measured.values.items():
        if not isinstance(value, Distribution):
            yield NumberDataPoint(_attributes(measured, key), since, at, value)


def _distributions(measured: Measured, at: int) -> Iterator[HistogramDataPoint]:
    for key, seen in measured.values.items():
        if isinstance(seen, Distribution):
            yield HistogramDataPoint(
                attributes=_attributes(measured, key),
                start_time_unix_nano=seen.since,
                time_unix_nano=at,
                count=seen.count,
                sum=seen.total,
                bucket_counts=seen.counts,
                explicit_bounds=seen.bounds,
                min=_UNSET,
                max=_UNSET,
                exemplars=[
                    Exemplar({}, each.value, each.at, int(each.span_id, 16), int(each.trace_id, 16))
                    for each in seen.exemplars.values()
                ],
            )


def _attributes(measured: Measured, key: Key) -> dict[str, str | int]:
    """Those that say something: a label without a value is an attribute that is not there."""
    return {name: value for name, value in zip(measured.family.attributes, key, strict=True) if value != ""}
