"""Audit lines at a collector: log records by OTLP, kept while it is away, counted where it refuses them."""

import asyncio
import json
import random
import time
from email.utils import formatdate

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse

from tests.proxy.observability.queueing import LOGGER, SECONDS, loss_line
from tests.proxy.observability.test_audit_syslog import Through, line
from tests.support.otlp import PROTOBUF, OtlpReceiver, accept, answers, attributes_of, decoded, records_in
from tests.support.raw_client import eventually
from tests.support.raw_server import HangUp
from vmcp_proxy.observability.audit import queue as module
from vmcp_proxy.observability.audit.queue import AuditQueue
from vmcp_proxy.observability.audit.sinks.otlp import OtlpSink
from vmcp_proxy.observability.otlp.connection import OtlpConnection
from vmcp_proxy.observability.otlp.delivery import pause_of

pytestmark = pytest.mark.scenario("O-5", "O-4")


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(module, "_FIRST_PAUSE", 0.005)
    monkeypatch.setattr(module, "_LONGEST_PAUSE", 0.02)
    monkeypatch.setattr(module, "_AWAY_SECONDS", 0.0)


def sink_to(receiver, **settings):
    return OtlpSink(OtlpConnection(receiver.url, {"X-Key": "k"}, **settings), {"service.name": "v"})


def numbers(receiver):
    return [json.loads(record.body.string_value).get("n") for record in receiver.records]


async def test_a_tls_collector_that_is_spoken_to_in_plaintext_loses_nothing():
    # Go's server, which collectors are made with, answers 400: of a collector that means that lines are thrown away.
    act = answers(400, b"Client sent an HTTP request to an HTTPS server.\n", kind="text/plain")
    async with OtlpReceiver(act).running() as receiver:
        async with Through(sink_to(receiver)) as queue:
            queue.write(line(0))
            await eventually(lambda: "turn TLS on" in queue.trouble)
            receiver.act = accept
        assert (numbers(receiver), queue.dropped) == ([0], 0)


async def test_a_line_is_a_record_with_its_time_severity_name_and_what_people_filter_by():
    more = {
        "id": "a-1",
        "trace_id": "ab" * 16,
        "component": "d/v",
        "backend": "web",
        "target": {"method": "tools/call", "name": "web_x"},
    }
    lines = [line(0, **more), line(1, "denied"), line(2, "application_error")]
    async with OtlpReceiver().running() as receiver:
        async with Through(sink_to(receiver)) as queue:
            for each in lines:
                queue.write(each)
        assert receiver.asked[0].headers["x-key"] == b"k"
    (resource,) = {str(group.resource) for request in receiver.logs for group in request.resource_logs}
    assert "service.name" in resource
    first, *_ = receiver.records
    assert first.time_unix_nano == 1_796_000_523_000_045_000
    assert abs(first.observed_time_unix_nano / 1e9 - time.time()) < 60
    assert (first.event_name, first.trace_id.hex()) == ("mcp_tool_call", "ab" * 16)
    assert attributes_of(first.attributes) == {
        "vmcp.audit.id": "a-1",
        "vmcp.audit.outcome": "success",
        "vmcp.component": "d/v",
        "vmcp.backend": "web",
        "mcp.method.name": "tools/call",
        "vmcp.target": "web_x",
    }
    assert [record.severity_text for record in receiver.records] == ["INFO", "WARN", "ERROR"]
    assert [record.body.string_value.encode() + b"\n" for record in receiver.records] == lines


async def hang_up(_asked):
    raise HangUp


@pytest.mark.parametrize("fault", [hang_up, *(answers(status) for status in (302, 401, 404, 429, 500, 503))])
async def test_what_may_pass_is_tried_again_and_nothing_is_lost(fault):
    receiver = OtlpReceiver(act=fault)
    async with receiver.running(), Through(sink_to(receiver)) as queue:
        for number in range(2500):
            queue.write(line(number))
        await eventually(lambda: len(receiver.asked) >= 3)
        assert queue.waiting == 2500
        receiver.act = accept
    assert numbers(receiver) == list(range(2500))
    assert queue.dropped == 0


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_takes_no_line_and_its_target_gets_neither_lines_nor_headers(status, caplog):
    async with OtlpReceiver().running() as other:
        receiver = OtlpReceiver(act=answers(status, location=f"{other.url}/v1/logs"))
        async with receiver.running(), Through(sink_to(receiver)) as queue:
            queue.write(line(0))
            await eventually(lambda: caplog.records)
            assert queue.waiting == 1
            receiver.act = accept
    assert caplog.records[0].vmcp_fields["reason"] == "it redirects; write the URL that it redirects to"
    assert not other.asked
    assert numbers(receiver) == [0]
    assert queue.dropped == 0


@pytest.mark.parametrize(
    "act",
    [
        answers(200, b"<html>It works!</html>", kind="text/html"),
        answers(200, b"\xff not protobuf", kind=PROTOBUF),
        answers(200, b'{"partialSuccess": ', kind="application/json"),
        answers(200, b'{"a":' + b"[" * 60_000, kind="application/json"),
    ],
    ids=["page", "protobuf", "JSON", "deep"],
)
async def test_a_success_that_no_collector_says_takes_no_line(act, caplog):
    receiver = OtlpReceiver(act=act)
    async with receiver.running(), Through(sink_to(receiver)) as queue:
        queue.write(line(0))
        await eventually(lambda: caplog.records)
        assert (queue.waiting, queue.dropped) == (1, 0)
        receiver.accepted.clear()
        receiver.act = accept
    assert caplog.records[0].vmcp_fields["reason"].endswith("check the URL")
    assert 0 in numbers(receiver)
    assert queue.dropped == 0


async def test_a_collector_may_answer_in_json_or_nothing():
    rejecting = answers(200, b'{"partialSuccess": {"rejectedLogRecords": "1"}}', kind="application/json")
    for act, dropped in ((answers(200, b"{}", kind="application/json"), 0), (answers(204), 0), (rejecting, 1)):
        receiver = OtlpReceiver(act=act)
        async with receiver.running(), Through(sink_to(receiver)) as queue:
            queue.write(line(0))
            await eventually(lambda queue=queue: queue.waiting == 0)
            assert queue.dropped == dropped


async def test_a_collector_that_was_not_there_gets_everything_once_it_is():
    receiver = OtlpReceiver()
    async with receiver.running():
        pass
    queue = AuditQueue(sink_to(receiver), LOGGER, loss_line)
    for number in range(100):
        queue.write(line(number))
    async with receiver.running():
        await eventually(lambda: len(receiver.records) == 100)
        await asyncio.to_thread(queue.close, SECONDS)
    assert numbers(receiver) == list(range(100))


async def test_a_collector_says_how_long_to_wait():
    receiver = OtlpReceiver(act=answers(429, retry_after="1"))
    async with receiver.running(), Through(sink_to(receiver)) as queue:
        queue.write(line(0))
        await eventually(lambda: receiver.asked)
        first = time.monotonic()
        receiver.act = accept
        await eventually(lambda: receiver.records)
        assert time.monotonic() - first > 0.6
        assert len(receiver.asked) == 2


def test_the_pause_that_is_asked_for_comes_in_two_forms_or_means_nothing():
    assert (pause_of("7"), pause_of(""), pause_of(None), pause_of("soon")) == (7.0, None, None, None)
    assert 50 < pause_of(formatdate(time.time() + 60, usegmt=True)) <= 60
    assert pause_of(formatdate(0, usegmt=True)) == 0


async def test_what_a_collector_will_never_take_is_counted_to_the_line():
    rejected = []

    async def half(asked):
        """Takes what is told of losses, and of events, however many come together, the smaller half."""
        said = [json.loads(record.body.string_value) for record in records_in(decoded(asked)[1])]
        rejected.append((1 + sum("lost" not in each for each in said)) // 2)
        answer = ExportLogsServiceResponse()
        answer.partial_success.rejected_log_records = rejected[-1]
        await asked.status(200, answer.SerializeToString(), PROTOBUF)

    receiver = OtlpReceiver(act=answers(400))
    async with receiver.running(), Through(sink_to(receiver)) as queue:
        for number in range(10):
            queue.write(line(number))
        await eventually(lambda: queue.waiting == 0)
        assert queue.dropped == 10
        receiver.act = half
        for number in range(5):
            queue.write(line(number))
        await eventually(lambda: queue.waiting == 0)
        lost = 10 + sum(rejected)
        assert 13 <= lost == queue.dropped
    told = [
        each["lost"]
        for each in map(json.loads, (each.body.string_value for each in receiver.records))
        if "lost" in each
    ]
    assert sum(told) == lost


async def test_batches_that_are_too_large_are_halved_until_they_fit():
    async def small_only(asked):
        await (accept if len(asked.body) < 4000 else answers(413))(asked)

    receiver = OtlpReceiver(act=small_only)
    async with receiver.running(), Through(sink_to(receiver)) as queue:
        for number in range(900):
            queue.write(line(number, x=str(number * 7919)))
        queue.write(line(900, x=random.Random(1).randbytes(30_000).hex()))
        queue.write(line(901))
        queue.write(line(902, data={"request": random.Random(2).randbytes(30_000).hex()}))
    assert [number for number in numbers(receiver) if number is not None] == [*range(900), 901, 902]
    assert queue.dropped == 1
    events = [json.loads(each.body.string_value) for each in receiver.records]
    assert next(each for each in events if each.get("n") == 902)["contentDropped"] is True


async def test_an_answer_that_never_ends_costs_a_bounded_time():
    async def drip(asked):
        await asked.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n")
        while True:
            await asked.write(b"{")
            await asyncio.sleep(0.01)

    receiver = OtlpReceiver(act=drip)
    async with receiver.running(), Through(sink_to(receiver, timeout=0.2)) as queue:
        queue.write(line(0))
        await eventually(lambda: len(receiver.asked) >= 2)
        assert queue.waiting == 1
        receiver.act = accept
