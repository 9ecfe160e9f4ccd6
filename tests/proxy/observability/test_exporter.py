"""Spans on their way out: bounded, counted to the last one, and never in the way (ADR-0047)."""

import asyncio
import logging
import time

import pytest

from tests.support.otlp import PROTOBUF, OtlpReceiver, accept, answers
from tests.support.raw_client import eventually
from vmcp_proxy.observability.otlp.connection import OtlpConnection
from vmcp_proxy.observability.tracing import exporter
from vmcp_proxy.observability.tracing.counts import SpanCounts
from vmcp_proxy.observability.tracing.exporter import SpanOutput
from vmcp_proxy.observability.tracing.propagation import Incoming, parse_traceparent
from vmcp_proxy.observability.tracing.sampler import Sampler
from vmcp_proxy.observability.tracing.spans import Tracing

SECRET = "canary-collector-77d1"
PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.fixture
def output(monkeypatch):
    """Makes outputs to a URL that send what they get at once, and says what became of the spans."""
    made, counts = [], SpanCounts()
    monkeypatch.setattr(exporter, "DELAY", 0.02)

    def make(url, timeout=20.0):
        connection = OtlpConnection.to(url, {"X-Key": SECRET}, insecure=True, timeout=timeout)
        made.append(SpanOutput(connection, {"service.name": "s"}, "1", counts, logging.getLogger("vmcp.test")))
        return made[-1], counts

    yield make
    for each in made:
        each.close(1.0)


def record(output, count=1):
    tracing = Tracing(Sampler(1.0), frozenset(), output)
    for _ in range(count):
        fields = [(b"traceparent", PARENT.encode()), (b"tracestate", b"a=1")]
        trace = tracing.begin(fields, None, time.perf_counter() - 0.001, has_parent=True)
        call = trace.call("tools/call x", {"a": "b"})
        call.resent("session_lost")
        call.end("timeout", {"c": 1})
        trace.end("tools/call y", {"tags": ("p", "q")}, "timeout")


async def test_a_span_arrives_as_it_was(output):
    async with OtlpReceiver().running() as collector:
        out, counts = output(collector.url)
        record(out)
        client, server = await collector.having(2)
        await eventually(lambda: counts.sent == 2)
    parent = parse_traceparent(PARENT)
    assert (server.trace, server.parent, server.state) == (parent.trace, parent.span, "a=1")
    assert (client.parent, client.status, client.attributes) == (
        server.id,
        "ERROR",
        {"a": "b", "c": 1, "error.type": "timeout"},
    )
    assert client.events == [("vmcp.request.resent", {"reason": "session_lost"})]
    assert server.attributes == {"tags": ["p", "q"], "error.type": "timeout"}
    assert (server.scope, server.resource, counts.dropped) == ("vmcp", {"service.name": "s"}, 0)
    assert server.seconds >= 0.001
    assert Incoming(parent).parent is parent


@pytest.mark.scenario("O-4")
@pytest.mark.parametrize(
    ("act", "problem"),
    [
        (answers(500, SECRET.encode()), "it answers 500"),
        (answers(503, retry_after="0"), "it answers 503"),
        (answers(302, location="http://127.0.0.1:1/"), "it redirects"),
    ],
    ids=["broken", "busy", "elsewhere"],
)
async def test_what_a_collector_does_not_take_is_counted_and_told_once_until_it_does(output, caplog, act, problem):
    async with OtlpReceiver(act).running() as collector:
        out, counts = output(collector.url)
        for lost in (2, 4):
            record(out)
            await eventually(lambda lost=lost: counts.dropped == lost)
        collector.act = accept
        record(out)
        await eventually(lambda: "sent again" in caplog.text)
        assert (counts.sent, counts.dropped) == (2, 4)
    told = [record for record in caplog.records if record.name == "vmcp.test"]
    assert [each.getMessage() for each in told] == [
        "traces cannot be sent, spans are lost",
        "traces are sent again",
    ]
    assert told[0].vmcp_fields["collector"].startswith(problem)
    assert told[0].vmcp_fields["address"] == collector.url
    assert told[1].vmcp_fields["lost"] == 4
    assert SECRET not in caplog.text
    assert [each.name for each in caplog.records if each.name.startswith(("opentelemetry", "urllib3"))] == []


@pytest.mark.scenario("O-4")
async def test_what_waits_for_a_collector_that_is_silent_is_bounded_and_given_up_in_the_end(output, monkeypatch):
    monkeypatch.setattr(exporter, "MOST_WAITING", 100)
    monkeypatch.setattr(exporter, "MOST_AT_ONCE", 10)

    async def silent(_):
        await asyncio.Event().wait()

    async with OtlpReceiver(silent).running() as collector:
        out, counts = output(collector.url, timeout=30.0)
        record(out, 100)
        await eventually(lambda: collector.asked)
        assert out.waiting == 100
        assert counts.dropped == 100
        await asyncio.to_thread(out.close, 0.1)
        record(out)
    assert (counts.sent, counts.dropped) == (0, 202)


async def test_spans_that_the_collector_rejects_are_lost_and_garbage_says_nothing(output):
    partial = b"\x0a\x02\x08\x01"
    async with OtlpReceiver(answers(200, partial, kind=PROTOBUF)).running() as collector:
        out, counts = output(collector.url)
        record(out)
        await eventually(lambda: counts.sent == 1)
        assert counts.dropped == 1
        collector.act = answers(200, b"\xff\xff garbage", kind=PROTOBUF)
        record(out)
        await eventually(lambda: counts.sent == 3)
        assert counts.dropped == 1


async def test_what_waits_is_sent_when_the_output_closes(output, monkeypatch):
    monkeypatch.setattr(exporter, "DELAY", 60.0)
    async with OtlpReceiver().running() as collector:
        out, counts = output(collector.url)
        record(out, 5)
        await asyncio.to_thread(out.close, 5.0)
        assert len(collector.spans) == 10
    assert (counts.sent, counts.dropped, out.waiting) == (10, 0, 0)


@pytest.mark.parametrize("status", [429, 503])
async def test_what_a_collector_is_too_busy_for_is_sent_again_and_is_not_lost(output, status):
    async def busy_at_first(asked):
        if len(collector.asked) < 3:
            await asked.status(status, b"", retry_after="0")
        else:
            await accept(asked)

    async with OtlpReceiver(busy_at_first).running() as collector:
        out, counts = output(collector.url, timeout=10.0)
        record(out)
        await collector.having(2)
        await eventually(lambda: counts.sent == 2)
        assert (len(collector.asked), counts.dropped) == (3, 0)


async def test_what_a_collector_has_refused_for_good_is_sent_once(output):
    async with OtlpReceiver(answers(400)).running() as collector:
        out, counts = output(collector.url, timeout=10.0)
        record(out)
        await eventually(lambda: counts.dropped == 2)
        assert len(collector.asked) == 1
