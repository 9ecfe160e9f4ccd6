"""Metrics by OTLP: the numbers of the scrape in OpenTelemetry's words, and a collector that holds nobody up."""

import asyncio
import contextlib
import logging
from collections import Counter

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from opentelemetry.proto.metrics.v1.metrics_pb2 import AGGREGATION_TEMPORALITY_CUMULATIVE

from tests.support.otlp import PROTOBUF, OtlpReceiver, accept, answers, attributes_of
from tests.support.raw_client import eventually
from tests.support.scene import operational, scene
from tests.support.scripted_backend import ScriptedBackend
from vmcp_proxy.observability.audit import Outcome
from vmcp_proxy.observability.metrics import Metrics
from vmcp_proxy.observability.metrics.output import MetricsOutput
from vmcp_proxy.observability.otlp.connection import OtlpConnection

REJECTED = ExportMetricsServiceResponse()
REJECTED.partial_success.rejected_data_points = 3


def telemetry_to(collector, **more):
    return {"otlp": {**collector.endpoint, "timeout": 5}, "metrics": {"enabled": True, "interval": 1}, **more}


def output_to(collector, exports, timeout=5.0, **connection):
    to = OtlpConnection.to(collector.url, {}, insecure=True, timeout=timeout, **connection)
    return MetricsOutput(to, {"service.name": "x"}, "1", exports, logging.getLogger("test"))


def metrics_in(request):
    (group,) = request.resource_metrics
    (scope,) = group.scope_metrics
    assert scope.scope.name == "vmcp"
    return {metric.name: metric for metric in scope.metrics}


def points_of(metric):
    return getattr(metric, metric.WhichOneof("data")).data_points


def as_scraped(request):
    """The samples that a scrape has of the same, by OpenTelemetry's rules for names."""
    samples = {}
    for metric in metrics_in(request).values():
        name = metric.name.replace(".", "_") + {"s": "_seconds", "By": "_bytes"}.get(metric.unit, "")
        kind = metric.WhichOneof("data")
        for point in points_of(metric):
            labels = tuple(
                sorted((key.replace(".", "_"), str(v)) for key, v in attributes_of(point.attributes).items())
            )
            if kind == "histogram":
                samples[f"{name}_count", labels] = point.count
                samples[f"{name}_sum", labels] = pytest.approx(point.sum)
            else:
                samples[f"{name}_total" if kind == "sum" else name, labels] = point.as_double or point.as_int
    return samples


def scraped(text):
    samples = {}
    for line in text.splitlines():
        if line.startswith(("#", "process_")) or "_bucket{" in line:
            continue
        name, value = line.rsplit(" ", 1)
        name, _, labels = name.partition("{")
        pairs = [pair.split('="') for pair in labels.rstrip("}").split('",') if pair]
        samples[name, tuple(sorted((key, v.rstrip('"')) for key, v in pairs if v.rstrip('"')))] = float(value)
    return samples


@pytest.mark.scenario("O-3")
async def test_a_collector_gets_the_numbers_of_the_scrape_by_the_conventions(caplog):
    resource = {"resourceAttributes": {"deployment.environment": "test"}, "serviceName": "my-endpoint"}
    async with OtlpReceiver().running() as collector:
        telemetry = telemetry_to(collector, **resource)
        # Nothing is asked meanwhile, so that both see the same.
        quiet = operational(failureHandling={"healthCheckInterval": 600})
        async with scene({"one": ScriptedBackend()}, telemetry=telemetry, config=quiet) as world:
            async with world.session() as client:
                await client.call("one_echo")
                await client.request("tools/call", {"name": "unknown"})
                seen = len(collector.metrics)
                await eventually(lambda: len(collector.metrics) >= seen + 2)
                text = await world.admin("/metrics")
            request = collector.metrics[-1]
            exported, told = as_scraped(request), scraped(text)
    volatile = ("vmcp_metrics_exports_total",)
    assert {key: value for key, value in told.items() if key[0] not in volatile} == {
        key: value for key, value in exported.items() if key[0] not in volatile
    }
    (group,) = request.resource_metrics
    named = attributes_of(group.resource.attributes)
    assert (named["service.name"], named["deployment.environment"]) == ("my-endpoint", "test")
    calls = metrics_in(request)["mcp.client.operation.duration"]
    assert calls.unit == "s"
    assert calls.histogram.aggregation_temporality == AGGREGATION_TEMPORALITY_CUMULATIVE
    (point,) = [each for each in points_of(calls) if attributes_of(each.attributes)["mcp.method.name"] == "tools/call"]
    assert attributes_of(point.attributes) == {"mcp.method.name": "tools/call", "backend": "one"}
    assert 0 < point.start_time_unix_nano < point.time_unix_nano
    assert not point.HasField("min")
    assert sum(point.bucket_counts) == point.count == 1
    assert "cannot" not in caplog.text


@pytest.mark.scenario("O-4")
async def test_a_collector_that_hangs_holds_no_call_up_and_gets_everything_once_it_answers():
    release = asyncio.Event()

    async def hang(asked):
        await release.wait()
        await accept(asked)

    def has_all():
        samples = as_scraped(collector.metrics[-1]) if collector.metrics else {}
        return sum(value for (name, _), value in samples.items() if name == "vmcp_tool_calls_total") == 20

    async with contextlib.AsyncExitStack() as stack:
        collector = await stack.enter_async_context(OtlpReceiver(act=hang).running())
        telemetry = telemetry_to(collector)
        world = await stack.enter_async_context(scene({"one": ScriptedBackend()}, telemetry=telemetry))
        client = await stack.enter_async_context(world.session())
        await eventually(lambda: collector.asked)
        for _ in range(20):
            await client.call("one_echo")
        release.set()
        await eventually(has_all)


async def test_the_last_numbers_are_sent_when_the_process_ends():
    async with OtlpReceiver().running() as collector:
        telemetry = telemetry_to(collector) | {"metrics": {"enabled": True, "interval": 3600}}
        async with scene({"one": ScriptedBackend()}, telemetry=telemetry) as world, world.session() as client:
            await client.call("one_echo")
        (request,) = collector.metrics
    assert ("vmcp_tool_calls_total", (("backend", "one"), ("tool", "one_echo"))) in as_scraped(request)


@pytest.mark.scenario("O-4")
@pytest.mark.parametrize(
    ("act", "words"),
    [
        (answers(403, b"secret words of the collector"), "it answers 403"),
        (answers(302, location="http://127.0.0.1/"), "it redirects"),
        (answers(200, b"<html>", kind="text/html"), "not one of a collector"),
        (answers(200, REJECTED.SerializeToString(), kind=PROTOBUF), "refused 3 data points"),
    ],
    ids=["refuses", "redirects", "is a web server", "takes a part"],
)
async def test_a_failure_is_counted_and_told_once_until_it_is_over(act, words, caplog):
    exports, metrics = Counter(), Metrics()
    async with OtlpReceiver(act=act).running() as collector:
        output = output_to(collector, exports)
        for count in (1, 2):
            output.offer(metrics.snapshot())
            await eventually(lambda count=count: exports["failed"] == count)
        collector.act = accept
        output.offer(metrics.snapshot())
        await eventually(lambda: exports["sent"] == 1)
        output.end()
        await asyncio.to_thread(output.join, 5)
    assert [record.getMessage() for record in caplog.records] == ["metrics cannot be sent", "metrics are sent again"]
    assert words in str(vars(caplog.records[0]))
    assert caplog.records[0].vmcp_fields["address"] == collector.url
    assert "secret words" not in str([vars(each) for each in caplog.records])


async def test_snapshots_that_find_one_waiting_are_skipped_and_nothing_is_kept_of_them():
    exports, metrics, release = Counter(), Metrics(), asyncio.Event()

    async def hang(asked):
        await release.wait()
        await accept(asked)

    async with OtlpReceiver(act=hang).running() as collector:
        output = output_to(collector, exports)
        output.offer(metrics.snapshot())
        await eventually(lambda: collector.asked)
        for _ in range(5):
            output.offer(metrics.snapshot())
        assert exports == {"skipped": 4}
        release.set()
        await eventually(lambda: exports["sent"] == 2)
        output.end()
        await asyncio.to_thread(output.join, 5)


async def test_a_ca_that_cannot_be_read_is_told_and_ends_nothing(caplog):
    exports = Counter()
    async with OtlpReceiver().running() as collector:
        output = output_to(collector, exports, ca_bundle="no certificate")
        await asyncio.to_thread(output.join, 5)
        output.offer(Metrics().snapshot())
        output.end()
    assert exports["failed"] == 1
    assert "metrics cannot be sent" in caplog.text


@pytest.mark.scenario("O-3")
async def test_traced_requests_are_examples_by_their_ids():
    exports, metrics = Counter(), Metrics()
    metrics.on_request("tools/call", 200, Outcome.SUCCESS, 0.02, (f"{7:032x}", f"{9:016x}"))
    async with OtlpReceiver().running() as collector:
        output = output_to(collector, exports)
        output.offer(metrics.snapshot())
        await eventually(lambda: collector.metrics)
        output.end()
        await asyncio.to_thread(output.join, 5)
    (point,) = points_of(metrics_in(collector.metrics[0])["mcp.server.operation.duration"])
    (example,) = point.exemplars
    assert (int.from_bytes(example.trace_id), int.from_bytes(example.span_id)) == (7, 9)
    assert example.as_double == 0.02


async def test_a_reload_changes_whom_they_are_sent_to():
    async with OtlpReceiver().running() as first, OtlpReceiver().running() as second:
        async with scene({"one": ScriptedBackend()}, telemetry=telemetry_to(first)) as world:
            await eventually(lambda: first.metrics)
            world.apply(telemetry=telemetry_to(second))
            await eventually(lambda: second.metrics)
            world.apply(telemetry=None)
            before = len(second.metrics)
            # Whoever is sent to no more hears nothing when the process ends.
        assert len(second.metrics) == before
