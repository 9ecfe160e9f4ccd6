"""The scheduler against a direct interpretation of the graph, with durations that only exist on paper."""

import heapq
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vmcp_proxy.workflows.schedule import Plan, Schedule, Verdict

GO_ON, SKIP_REMAINING, ABORT = Verdict
UNBOUNDED = 1000


@dataclass(frozen=True)
class Node:
    """A step that takes its time and ends so; `skipped` ones take none, whatever their time would be."""

    needs: frozenset[int]
    time: float
    verdict: Verdict = GO_ON

    def __repr__(self):
        return f"Node({set(self.needs) or '{}'}, {self.time}, {self.verdict.name})"


@dataclass
class Run:
    """When which step began and was over, in the order of what happened."""

    began: dict[int, float] = field(default_factory=dict)
    ended: dict[int, float] = field(default_factory=dict)
    cancelled: set[int] = field(default_factory=set)
    most: int = 0


@st.composite
def graphs(draw, verdicts=(GO_ON, GO_ON, GO_ON, SKIP_REMAINING, ABORT)):
    """Steps in any order of file, with no two ends at the same moment: the fraction says by which steps it came."""
    size = draw(st.integers(1, 12))
    order = draw(st.permutations(range(size)))
    nodes = {}
    for place, step in enumerate(order):
        needs = draw(st.frozensets(st.sampled_from(order[:place]), max_size=4)) if place else frozenset()
        verdict = draw(st.sampled_from(verdicts))
        takes_no_time = verdict is GO_ON and draw(st.booleans())
        time = 0.0 if takes_no_time else draw(st.integers(0, 5)) + 2.0 ** -(step + 1)
        nodes[step] = Node(needs, time, verdict)
    return [nodes[step] for step in range(size)]


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


def interpret(graph: list[Node]) -> Run:
    """The same said directly: a step begins when the last of its dependencies ends, but for what ended before."""
    ready: dict[int, float] = {}

    def end(step):
        if step not in ready:
            ready[step] = max((end(need) for need in graph[step].needs), default=0.0)
        return ready[step] + graph[step].time

    ends = {step: end(step) for step in range(len(graph))}
    stops = sorted((ends[step], step) for step, node in enumerate(graph) if node.verdict is not GO_ON)
    if not stops:
        return Run(ready, ends)
    first, stopper = stops[0]
    began = {step: at for step, at in ready.items() if at < first}
    last = first
    if graph[stopper].verdict is SKIP_REMAINING:
        aborts = [at for at, step in stops if graph[step].verdict is ABORT and step in began]
        last = aborts[0] if aborts else float("inf")
    ended = {step: ends[step] for step in began if ends[step] <= last}
    return Run(began, ended, began.keys() - ended.keys())


@given(graphs())
@settings(max_examples=100, deadline=None)
def test_the_same_steps_run_as_early_as_their_dependencies_allow(graph):
    came, should = simulate(graph), interpret(graph)

    assert (came.began, came.ended, came.cancelled) == (should.began, should.ended, should.cancelled)


@given(graphs(verdicts=(GO_ON,)), st.integers(1, 4))
@settings(max_examples=100, deadline=None)
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
