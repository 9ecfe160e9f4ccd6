"""The chaos of sinks, for a few seconds: what `python -m benchmarks.sinks` does for ten minutes to each of them."""

import asyncio
import json

import pytest
import uvloop

from benchmarks.sinks.chaos import Plan, Report, account, torment
from benchmarks.sinks.receivers import Mood, OtlpReceiver, PipeReceiver
from vmcp_proxy.observability.audit.sinks.otlp import OtlpSink
from vmcp_proxy.observability.audit.sinks.sink import SinkAwayError
from vmcp_proxy.observability.otlp.connection import OtlpConnection


@pytest.mark.scenario("O-4", "O-5")
def test_a_collector_that_is_away_slow_and_lying_holds_up_no_call_and_loses_no_line_uncounted(tmp_path):
    # How many calls there are, and how quick, is for a machine that does nothing else; here they have to be answered.
    report = uvloop.run(torment(tmp_path, Plan("otlp", 3.0, full_seconds=0.5, most_milliseconds=60_000)))
    assert report.violations == []
    assert report.calls == report.received + report.lost > 0


def line(number, **more):
    event = {"id": str(number), "time": f"2026-11-30T00:00:{number:02}Z", "type": "mcp_tool_call", **more}
    return json.dumps(event).encode()


@pytest.mark.parametrize(
    ("lines", "violation"),
    [
        ([line(0), line(1), line(2)], None),
        ([line(0), line(0), line(1), line(2)], None),
        ([line(0), line(2)], "1 lines neither arrived nor were counted"),
        ([line(0), line(2), line(1)], "lines are out of their order"),
        ([line(0), line(1), line(2), line(3, type="audit_lost", lost=1)], "the log itself says 1"),
    ],
)
def test_a_line_that_is_missing_or_out_of_order_is_a_violation(lines, violation):
    class Given(PipeReceiver):
        def __init__(self):
            self.thrown_away = []
            self._got = b"\n".join(lines)

    report = Report("pipe", calls=3)
    account(Given(), report)
    assert len(report.violations) == (violation is not None)
    assert (violation or "") in "".join(report.violations)


def test_a_line_that_was_thrown_away_and_then_sent_again_is_a_line_that_arrived():
    class Given(PipeReceiver):
        def __init__(self):
            self.thrown_away = [line(0), line(1), line(3, type="audit_lost", lost=1)]
            self._got = b"\n".join([line(1), line(2)])

    report = Report("syslog", calls=3)
    account(Given(), report)
    assert report.violations == []
    assert (report.received, report.thrown_away) == (2, 1)


async def test_a_lying_collector_throws_nothing_away_that_it_has_of_an_earlier_attempt():
    receiver = OtlpReceiver()
    await receiver.be(Mood.LYING)
    sink = OtlpSink(OtlpConnection.to(receiver.settings()["otlp"]["endpoint"], {}, insecure=True), {})
    refused = 0
    for number in range(60):
        batch = [line(number)]
        while batch:
            try:
                refused += await asyncio.to_thread(sink.send, batch)
                batch = []
            except SinkAwayError:
                pass
    await receiver.finish()
    sink.close()
    assert len(set(receiver.lines)) + refused == 60
    assert refused
    assert len(receiver.lines) > len(set(receiver.lines))
