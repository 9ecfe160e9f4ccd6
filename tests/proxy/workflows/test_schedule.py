"""The scheduler against a direct interpretation of the graph, with durations that only exist on paper."""

import heapq

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.proxy.workflows.graphs import ABORT, GO_ON, SKIP_REMAINING, Node, Run, graphs, interpret
from tests.support.examples import examples
from vmcp_proxy.workflows.schedule import Plan, Schedule

UNBOUNDED = 1000


def simulate(graph: list[Node], parallel: int = UNBOUNDED) -> Run:
    """Does what the schedule says, in virtual time."""
    schedule = Schedule(Plan.of([node.needs for node in graph]), parallel)
    run, events, now = Run(), [], 0.0

    def start(steps):
        for step in steps:
            assert step not in run.began, "started twice"
            run.began[step] = now
            heapq.heappush(events, (now + graph[step].time, step))
        run.most = max(run.most, len(schedule.running))
        assert schedule.running == {step for _, step in events}

    start(schedule.begin())
    while events:
        now, step = heapq.heappop(events)
        run.ended[step] = now
        started = schedule.over(step, graph[step].verdict)
        if schedule.verdict is ABORT:
            assert not started
            run.cancelled = set(schedule.running)
            break
        start(started)
    return run


@given(graphs())
@settings(max_examples=examples(100), deadline=None)
def test_the_same_steps_run_as_early_as_their_dependencies_allow(graph):
    came, should = simulate(graph), interpret(graph)

    assert (came.began, came.ended, came.cancelled) == (should.began, should.ended, should.cancelled)


@given(graphs(verdicts=(GO_ON,)), st.integers(1, 4))
@settings(max_examples=examples(100), deadline=None)
def test_a_bound_delays_steps_only_while_that_many_run(graph, parallel):
    run = simulate(graph, parallel)

    assert run.ended.keys() == set(range(len(graph)))
    assert run.most <= parallel
    for step, node in enumerate(graph):
        ready = max((run.ended[need] for need in node.needs), default=0.0)
        assert ready <= run.began[step]
        moments = {ready, *(at for at in run.ended.values() if ready <= at < run.began[step])}
        for moment in moments if run.began[step] > ready else ():
            busy = [other for other in run.began if run.began[other] <= moment < run.ended[other]]
            assert len(busy) == parallel, f"step {step} was ready at {ready}, and at {moment} only {busy} ran"


@pytest.mark.scenario("W-1")
def test_no_step_waits_for_the_others_of_its_level():
    slow_then_fast = [
        Node(frozenset(), 5.5),
        Node(frozenset(), 1.25),
        Node(frozenset({1}), 1.125),
        Node(frozenset({2}), 1.0625),
    ]

    assert max(simulate(slow_then_fast).ended.values()) == 5.5


def test_of_more_ready_steps_than_may_run_those_begin_that_stand_first():
    schedule = Schedule(Plan.of([(), (), (), (0,), ()]), 2)

    assert schedule.begin() == [0, 1]
    assert schedule.over(1) == [2]
    assert schedule.over(0) == [3]
    assert schedule.over(3) == [4]


def test_what_fails_after_the_rest_was_skipped_still_aborts_and_nothing_undoes_an_abort():
    schedule = Schedule(Plan.of([(), (), (), (0,)]), 3)
    schedule.begin()

    assert schedule.over(0, SKIP_REMAINING) == []
    assert schedule.over(1, ABORT) == []
    assert schedule.over(2, SKIP_REMAINING) == []
    assert schedule.verdict is ABORT
