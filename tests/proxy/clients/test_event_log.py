"""The log of a stream: bounded, in order, exactly once; beside a list that keeps everything."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmcp_proxy.clients.streaming.event_log import MOST_BYTES, MOST_EVENTS, Budget, EventLog


def held(log: EventLog, after: int = 0) -> list[tuple[int, bytes]]:
    entries = []
    while (entry := log.next_after(after)) is not None:
        after = entry[0]
        entries.append(entry)
    return entries


@pytest.mark.scenario("P-10")
def test_the_oldest_gives_way_by_count():
    log = EventLog(Budget(), "one")
    for number in range(MOST_EVENTS + 10):
        assert log.append(b"%d" % number) == number + 1
    assert [int(message) for _, message in held(log)] == list(range(10, MOST_EVENTS + 10))
    assert held(log, MOST_EVENTS + 8) == [(MOST_EVENTS + 9, b"%d" % (MOST_EVENTS + 8)), (MOST_EVENTS + 10, b"265")]


@pytest.mark.scenario("P-10")
def test_the_oldest_gives_way_by_bytes_and_a_message_beyond_the_bound_stands_alone():
    budget = Budget()
    log = EventLog(budget, "one")
    for _ in range(10):
        log.append(b"x" * (MOST_BYTES // 4))
        assert log.size <= MOST_BYTES
    log.append(b"y" * (MOST_BYTES * 2))
    assert [message[:1] for _, message in held(log)] == [b"y"]
    log.append(b"z")
    assert [message for _, message in held(log)] == [b"z"]
    assert budget.used == log.size
    assert budget.dropped == 11


@pytest.mark.scenario("P-10")
def test_what_has_gone_out_gives_way_before_what_waits_and_requests_last_and_aloud():
    log = EventLog(Budget(), "one")
    dropped = []
    log.append(b"request", lambda: dropped.append("request"))
    log.append(b"sent")
    log.sent = 0
    for _ in range(MOST_EVENTS - 2):
        log.append(b"waits")
    log.append(b"one more")
    assert [message for _, message in held(log)][:2] == [b"request", b"waits"]
    assert dropped == []
    requests = EventLog(Budget(), "one")
    for number in range(MOST_EVENTS + 2):
        requests.append(b"r", lambda number=number: dropped.append(number))
    assert dropped == [0, 1]
    requests.sent = 10
    requests.append(b"r")
    assert dropped == [0, 1], "the client has been given this one"


@pytest.mark.scenario("P-10")
def test_a_request_that_cannot_be_delivered_any_more_says_so():
    log = EventLog(Budget(), "one")
    dropped = []
    log.append(b"given", lambda: dropped.append("given"))
    log.sent = log.append(b"taken back", lambda: dropped.append("taken back"))
    assert not log.discard(2), "it has gone out"
    ticket = log.append(b"withdrawn", lambda: dropped.append("withdrawn"))
    assert log.discard(ticket)
    assert not log.discard(ticket)
    log.append(b"waits", lambda: dropped.append("waits"))
    log.close()
    log.append(b"late", lambda: dropped.append("late"))
    assert dropped == ["waits", "late"]
    assert (len(log), log.size) == (0, 0)


@pytest.mark.scenario("P-10")
def test_all_logs_together_are_bounded_and_the_one_written_longest_ago_gives_way():
    budget = Budget(limit=4000)
    old, new = EventLog(budget, "old"), EventLog(budget, "new")
    for _ in range(5):
        old.append(b"x" * 256)
    new.append(b"x" * 256)
    for _ in range(4):
        new.append(b"x" * 256)
    assert budget.used == old.size + new.size <= 4000
    assert (len(old), len(new)) == (2, 5)
    old.close()
    new.close()
    assert (budget.used, len(budget)) == (0, 0)
    old_one = EventLog(budget, "one")
    old_one.append(b"x" * 5000)
    assert (len(old_one), budget.used, len(budget)) == (0, 0, 0)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.integers(0, MOST_BYTES // 3) | st.just(MOST_BYTES)),
        st.tuples(st.just("read"), st.integers(1, 5)),
        st.tuples(st.just("discard"), st.integers(1, 60)),
        st.tuples(st.just("skip"), st.none()),
        st.tuples(st.just("rewind"), st.integers(0, 60)),
    ),
    max_size=60,
)


@pytest.mark.scenario("P-10")
@given(STEPS)
def test_readers_get_what_is_held_in_order_and_never_twice(steps):
    budget = Budget()
    log = EventLog(budget, "one")
    everything: dict[int, bytes] = {}
    for step, number in steps:
        if step == "append":
            message = b"%d" % len(everything) + b"x" * number
            everything[log.append(message)] = message
        elif step == "read":
            for _ in range(number):
                entry = log.next_after(log.sent)
                if entry is None:
                    break
                assert entry[0] > log.sent
                log.sent = entry[0]
        elif step == "discard":
            log.discard(number)
            everything.pop(number, None)
        elif step == "skip":
            log.skip()
        else:
            log.sent = min(number, log.sent)
        kept = held(log)
        assert kept == sorted(kept)
        assert all(everything[sequence] == message for sequence, message in kept)
        assert not kept or [sequence for sequence in everything if sequence >= kept[0][0]] == [k for k, _ in kept]
        assert log.size == budget.used
        assert log.size <= MOST_BYTES or len(log) == 1
        assert step != "append" or kept[-1][1] is message
