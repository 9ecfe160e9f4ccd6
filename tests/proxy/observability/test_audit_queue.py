"""How audit lines wait for their sink: in their order, within bounds, and counted where they are lost."""

import logging
import threading

import pytest

from tests.proxy.observability.queueing import LOGGER, SECONDS, SteeredSink, lines, loss_line, queued
from vmcp_proxy.observability.audit import queue as module
from vmcp_proxy.observability.audit.queue import AuditQueue
from vmcp_proxy.observability.audit.sinks.sink import SinkAwayError

pytestmark = pytest.mark.scenario("O-5")


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(module, "_FIRST_PAUSE", 0.005)
    monkeypatch.setattr(module, "_LONGEST_PAUSE", 0.02)
    monkeypatch.setattr(module, "_AWAY_SECONDS", 0.0)


def write(queue, numbers):
    for line in lines(numbers):
        queue.write(line)


def told(caplog):
    return [record.getMessage() for record in caplog.records]


def test_what_is_written_while_a_sink_is_away_gets_there_in_its_order_when_it_is_back(caplog):
    sink = SteeredSink()
    sink.away = "no route"
    with caplog.at_level(logging.WARNING), queued(sink) as queue:
        write(queue, range(3000))
        for _ in range(3):
            sink.attempted()
        assert (queue.waiting, queue.dropped) == (3000, 0)
        sink.takes = 700
        sink.away = None
        for _ in range(2):
            sink.attempted()
        sink.takes = None
    assert sink.numbers == list(range(3000))
    assert (queue.waiting, queue.dropped, sink.closed) == (0, 0, 1)
    assert told(caplog) == ["audit sink is away; events wait", "audit sink works again"]


def test_beyond_the_bound_the_newest_are_lost_and_a_line_says_how_many_where_they_would_stand(monkeypatch, caplog):
    monkeypatch.setattr(module, "MOST_LINES", 80)
    sink = SteeredSink()
    sink.away = "full"
    with caplog.at_level(logging.ERROR), queued(sink) as queue:
        write(queue, range(200))
        assert queue.dropped == 120
        sink.away = None
        sink.attempted()
        # What comes while it is all but full is not taken: a line about few lost ones each time would be no gain.
        for number in range(200, 10_000):
            if queue.waiting <= 70:
                break
            write(queue, [number])
        number = queue.dropped + 80
        write(queue, [number])
    assert sink.numbers == [*range(80), f"lost {queue.dropped}", number]
    assert told(caplog).count("audit sink does not keep up; events are lost") == 1


def test_lines_are_bounded_by_their_bytes_too(monkeypatch):
    monkeypatch.setattr(module, "MOST_BYTES", 1000)
    sink = SteeredSink()
    sink.away = "full"
    with queued(sink) as queue:
        for _ in range(30):
            queue.write(b'{"n":1}' + b" " * 92 + b"\n")
        assert queue.dropped == 20
        sink.away = None
    assert sink.numbers == [1] * 10 + ["lost 20"]


def test_what_a_sink_will_never_take_is_counted_and_told_with_what_it_takes_again(caplog):
    sink = SteeredSink()
    sink.refuses = True
    with caplog.at_level(logging.ERROR), queued(sink) as queue:
        write(queue, range(5))
        sink.attempted()
        while queue.waiting:
            pass
        write(queue, [5])
        while queue.waiting:
            pass
        sink.refuses = False
        write(queue, [6])
    # The line about the first five was refused with the sixth event, so it is told once more.
    assert sink.numbers == ["lost 6", 6]
    assert queue.dropped == 6


def test_a_sink_that_refuses_every_batch_is_told_at_once_and_then_with_a_count(caplog):
    sink = SteeredSink()
    sink.refuses = True
    with queued(sink) as queue:
        for number in range(5):
            write(queue, [number])
            sink.attempted()
    assert told(caplog) == ["audit sink refuses events; they are lost"] * 2
    assert [record.vmcp_fields["count"] for record in caplog.records] == [1, 4]
    assert queue.dropped == 5


def test_a_line_that_cannot_be_made_is_lost_alone(caplog):
    class Broken:
        def __len__(self):
            return 10

        def encode(self):
            raise ValueError("canary")

    sink = SteeredSink()
    with caplog.at_level(logging.ERROR), queued(sink) as queue:
        write(queue, [0])
        queue.write(Broken())
        write(queue, [1])
    assert [each for each in sink.numbers if each != "lost 1"] == [0, 1]
    assert queue.dropped == 1
    assert "canary" not in caplog.text


def test_at_the_end_a_sink_that_is_away_costs_a_bounded_time_and_what_is_left_is_counted(caplog):
    sink = SteeredSink()
    sink.away = "no route"
    with caplog.at_level(logging.ERROR), queued(sink, close=0.1) as queue:
        write(queue, range(7))
        sink.attempted()
    assert (queue.dropped, queue.waiting, sink.closed) == (7, 0, 1)
    assert "audit sink is away at the end; events are lost" in told(caplog)
    write(queue, [7])
    assert queue.dropped == 8


def test_a_sink_that_never_returns_holds_up_neither_writers_nor_the_end():
    stuck, release = threading.Event(), threading.Event()

    class Stuck(SteeredSink):
        def send(self, lines):
            stuck.set()
            release.wait(SECONDS)
            raise SinkAwayError("it hung")

    with queued(Stuck(), close=0.05) as queue:
        write(queue, [0])
        assert stuck.wait(SECONDS)
        write(queue, range(1, 10))
    assert queue.dropped == 10
    release.set()
    queue._thread.join(SECONDS)


def test_what_a_stuck_sink_loses_at_the_end_is_counted_once_when_it_comes_back_too_late(caplog, monkeypatch):
    monkeypatch.setattr(module, "_GRACE_SECONDS", 0.0)
    entered, release = threading.Event(), threading.Event()

    class Stuck(SteeredSink):
        def send(self, lines):
            entered.set()
            release.wait(SECONDS)
            raise SinkAwayError("gone")

    queue = AuditQueue(Stuck(), LOGGER, loss_line)
    write(queue, range(20))
    assert entered.wait(SECONDS)
    queue.close(0.01)
    release.set()
    queue._thread.join(SECONDS)
    assert queue.dropped == 20
    assert [each for each in told(caplog) if "at the end" in each] == [
        "audit sink is stuck at the end; events are lost"
    ]


def test_another_sink_takes_over_when_the_former_one_has_what_was_written_for_it():
    first, second, third = SteeredSink(), SteeredSink(), SteeredSink()
    first.away = "slow"
    with queued(first) as queue:
        write(queue, range(10))
        queue.switch(second)
        write(queue, range(10, 20))
        first.attempted()
        first.away = None
        queue.switch(third)
        write(queue, range(20, 30))
    assert first.numbers == list(range(10))
    assert second.numbers == list(range(10, 20))
    assert third.numbers == list(range(20, 30))
    assert (first.closed, second.closed, third.closed) == (1, 1, 1)


def test_what_a_former_sink_does_not_take_in_time_goes_to_the_newest(monkeypatch):
    monkeypatch.setattr(module, "CLOSE_SECONDS", 0.02)
    first, second, third = SteeredSink(), SteeredSink(), SteeredSink()
    first.away = "gone for good"
    with queued(first) as queue:
        write(queue, range(10))
        queue.switch(second)
        write(queue, [10])
        queue.switch(third)
        write(queue, [11])
    assert third.numbers == list(range(12))
    assert not second.taken
    assert (first.closed, second.closed, third.closed) == (1, 1, 1)
    assert queue.dropped == 0


def test_where_audit_is_turned_off_what_was_written_before_still_gets_there():
    sink, again = SteeredSink(), SteeredSink()
    queue = AuditQueue(sink, LOGGER, loss_line)
    write(queue, range(5))
    queue.switch(None)
    queue.switch(again)
    write(queue, [5])
    queue.close(SECONDS)
    assert (sink.numbers, again.numbers) == ([0, 1, 2, 3, 4], [5])
    assert queue.dropped == 0
