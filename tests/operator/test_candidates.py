"""Who leads, as two or three candidates decide it over a bad network with clocks that do not agree."""

import heapq
import itertools
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.examples import examples
from vmcp_operator.leader.candidate import (
    Candidate,
    Claim,
    Create,
    Look,
    Timing,
    Wait,
    after_claim,
    after_end,
    after_look,
    after_other,
    decide,
)
from vmcp_operator.leader.lease import UNHELD, claimed, read_lease
from vmcp_operator.plan.kinds import LEASE, Ref

PLACE = Ref(LEASE, "vmcp-system", "vmcp-operator")
NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
TIMING = Timing()
END = 180.0
CALM = 70.0
"""After a disturbance: a request that is 30 s late, a process that stands still, a Lease that runs out."""

PATIENCE = TIMING.deadline / 2


@dataclass
class ApiServer:
    """Keeps one Lease by version, as the API server does."""

    manifest: dict | None = None
    versions: itertools.count = field(default_factory=lambda: itertools.count(1))

    def _store(self, manifest):
        metadata = {**manifest["metadata"], "resourceVersion": str(next(self.versions))}
        self.manifest = {**manifest, "metadata": metadata}
        return read_lease(self.manifest)

    def get(self):
        return None if self.manifest is None else read_lease(self.manifest)

    def create(self, manifest):
        return None if self.manifest is not None else self._store(manifest)

    def replace(self, manifest):
        if self.manifest is None:
            return None
        if self.manifest["metadata"]["resourceVersion"] != manifest["metadata"]["resourceVersion"]:
            return None
        return self._store(manifest)


@dataclass(frozen=True)
class Clock:
    """A candidate's own: `rate` seconds of it pass in one second, from some start."""

    offset: float
    rate: float

    def at(self, real):
        return self.offset + self.rate * real

    def real(self, own):
        return (own - self.offset) / self.rate


@dataclass
class Node:
    """A process with a candidate; `epoch` tells the answers of a former life."""

    candidate: Candidate
    clock: Clock
    epoch: int = 0
    terms: list[tuple[float, float]] = field(default_factory=list)

    def leads(self, real):
        return self.candidate.leads(self.clock.at(real))


@dataclass(frozen=True)
class Fate:
    """What happens to one request, in seconds; None: it, or its answer, is lost."""

    there: float | None
    back: float | None


WELL = Fate(0.01, 0.01)


class World:
    """Runs the candidates' decisions as events in the order of real time."""

    def __init__(self, clocks, fates, faults):
        self.api = ApiServer()
        self.nodes = [Node(Candidate(f"pod-{index}", TIMING), clock) for index, clock in enumerate(clocks)]
        self.fates = iter(fates)
        self.well_since = 0.0
        self.order = itertools.count()
        self.events: list = []
        for node in self.nodes:
            self.at(0.0, self.turn, node, node.epoch)
        for when, what, index in faults:
            self.at(when, getattr(self, what), self.nodes[index % len(self.nodes)])

    def at(self, when, call, *values):
        heapq.heappush(self.events, (when, next(self.order), call, values))

    def run(self):
        while self.events and self.events[0][0] <= END:
            when, _, call, values = heapq.heappop(self.events)
            call(when, *values)
            if call not in (self.turn, self.arrives, self.answered, self.gives_up):
                self.well_since = when
            leaders = [node.candidate.identity for node in self.nodes if node.leads(when)]
            assert len(leaders) <= 1, (when, leaders)

    def turn(self, real, node, epoch):
        if epoch != node.epoch:
            return
        step = decide(node.candidate, node.clock.at(real))
        if isinstance(step, Wait):
            node.candidate = after_other(node.candidate)
            self.at(node.clock.real(node.clock.at(real) + step.seconds), self.turn, node, epoch)
            return
        if (fate := next(self.fates, None)) is None:
            fate = WELL
        else:
            self.well_since = real
        began = node.clock.at(real)
        # Whether an answer that is too late is dropped or taken makes no difference to who may write.
        node.epoch += 1
        self.at(real + PATIENCE, self.gives_up, node, node.epoch)
        if fate.there is not None:
            self.at(real + fate.there, self.arrives, node, node.epoch, step, began, fate)

    def arrives(self, real, node, epoch, step, began, fate):
        holder = node.candidate.identity
        match step:
            case Look():
                answer = self.api.get()
            case Create():
                answer = self.api.create(claimed(PLACE, None, holder, TIMING.lease, NOW))
            case Claim(before):
                answer = self.api.replace(claimed(PLACE, before, holder, TIMING.lease, NOW))
        if fate.back is not None:
            self.at(real + fate.back, self.answered, node, epoch, step, began, answer)

    def answered(self, real, node, epoch, step, began, answer):
        if epoch != node.epoch:
            return
        pause = TIMING.retry
        if isinstance(step, Look):
            node.candidate = after_look(node.candidate, answer, node.clock.at(real))
            pause = 0.0
        elif isinstance(step, Claim) and answer is not None:
            node.candidate = after_claim(node.candidate, answer, began)
        else:
            node.candidate = after_other(node.candidate)
        node.epoch += 1
        self.at(real + pause, self.turn, node, node.epoch)

    def gives_up(self, real, node, epoch):
        if epoch == node.epoch:
            node.candidate = after_other(node.candidate)
            node.epoch += 1
            self.at(real + TIMING.retry, self.turn, node, node.epoch)

    def restart(self, real, node):
        """The process is killed and starts again in its pod."""
        node.epoch += 1
        node.candidate = Candidate(node.candidate.identity, TIMING)
        self.at(real + 1.0, self.turn, node, node.epoch)

    def pause(self, real, node):
        """The process stands still; its clock does not, and what it asked for is answered without it."""
        node.epoch += 1
        node.candidate = after_other(node.candidate)
        self.at(real + 17.0, self.turn, node, node.epoch)

    def release(self, real, node):
        """The process ends in order, and another one comes in its place."""
        lease = self.api.get()
        node.candidate = after_end(node.candidate)
        if lease is not None and lease.holder == node.candidate.identity:
            self.api.replace(claimed(PLACE, lease, UNHELD, 1, NOW))
        self.restart(real, node)

    def touch(self, _real, _node):
        """Somebody annotates the Lease."""
        if self.api.manifest is not None:
            self.api._store(self.api.manifest)


CLOCKS = st.builds(Clock, st.floats(-1e6, 1e6), st.floats(0.9, 1.1))
DELAY = st.one_of(st.floats(0.0, 0.2), st.floats(0.0, 30.0), st.none())
FATES = st.lists(st.builds(Fate, DELAY, DELAY), max_size=40)
FAULT = st.sampled_from(["restart", "pause", "release", "touch"])
FAULTS = st.lists(st.tuples(st.floats(0.0, 50.0), FAULT, st.integers(0, 2)), max_size=6)


@pytest.mark.scenario("K-25")
@settings(max_examples=examples(500))
@given(clocks=st.lists(CLOCKS, min_size=2, max_size=3), fates=FATES, faults=FAULTS)
def test_never_two_candidates_lead_at_once_and_one_does_when_the_network_is_well_again(clocks, fates, faults):
    world = World(clocks, fates, faults)
    world.run()
    if world.well_since < END - CALM:
        assert any(node.leads(END) for node in world.nodes)


def candidate(name="a"):
    return Candidate(name, TIMING)


def lease(holder, version="1", seconds=15):
    manifest = claimed(PLACE, None, holder, seconds, NOW)
    manifest["metadata"]["resourceVersion"] = version
    return read_lease(manifest)


def test_a_lease_that_nobody_holds_is_claimed_at_once_and_one_that_is_held_when_it_was_not_renewed_for_its_time():
    free = lease(UNHELD)
    assert decide(after_look(candidate(), free, 100.0), 100.0) == Claim(free)
    seen = after_look(candidate(), lease("b"), 100.0)
    assert decide(seen, 100.0) == Wait(2.0)
    assert decide(seen, 114.5) == Wait(0.5)
    # The same again: its holder has been silent since it was seen first.
    again = after_look(after_other(seen), lease("b"), 114.9)
    assert decide(again, 115.0) == Claim(lease("b"))
    renewed = after_look(after_other(seen), lease("b", "2"), 114.9)
    assert decide(renewed, 129.8) == Wait(pytest.approx(0.1))


def test_the_times_that_a_lease_names_are_never_compared_with_ones_own():
    ancient = replace(lease("b"), acquired="1970-01-01T00:00:00.000000Z")
    assert isinstance(decide(after_look(candidate(), ancient, 5.0), 5.0), Wait)


def test_a_holder_leads_from_the_moment_at_which_it_asked_for_its_renewal():
    held = after_claim(candidate(), lease("a"), 100.0)
    assert held.leads(109.9)
    assert not held.leads(110.0)
    # A claim without an answer may have been written, and does not count.
    assert after_other(held).writes_until == 110.0
    assert not after_look(after_other(held), lease("b", "2"), 101.0).leads(101.0)
    assert not after_end(held).leads(100.0)


def test_a_container_that_starts_again_in_its_pod_goes_on_at_once():
    own = lease("a")
    again = after_look(candidate("a"), own, 3.0)
    assert not again.leads(3.0)
    assert decide(again, 3.0) == Claim(own)


def test_a_lease_that_was_deleted_stays_taken_for_as_long_as_its_holder_may_write():
    seen = after_look(candidate(), lease("b"), 100.0)
    gone = after_look(after_other(seen), None, 101.0)
    assert isinstance(decide(gone, 101.0), Wait)
    assert isinstance(decide(gone, 115.0), Create)
    # Its holder makes it again at once, and leads meanwhile.
    held = after_look(after_other(after_claim(candidate("b"), lease("b"), 100.0)), None, 101.0)
    assert isinstance(decide(held, 101.0), Create)
    assert held.leads(101.0)
    # Who never saw it cannot know that there was one.
    assert isinstance(decide(after_look(candidate(), None, 101.0), 101.0), Create)


def test_a_claim_keeps_what_others_wrote_and_counts_transitions():
    before = lease("b")
    before.manifest["metadata"]["labels"] = {"team": "x"}
    taken = claimed(PLACE, before, "a", 15, NOW)
    assert taken["metadata"] == {**before.manifest["metadata"]}
    assert (taken["spec"]["holderIdentity"], taken["spec"]["leaseTransitions"]) == ("a", 1)
    assert taken["spec"]["acquireTime"] == taken["spec"]["renewTime"] == "2026-05-04T12:00:00.000000Z"
    later = claimed(PLACE, read_lease(taken), "a", 15, NOW.replace(minute=5))
    assert later["spec"]["leaseTransitions"] == 1
    assert later["spec"]["acquireTime"] == "2026-05-04T12:00:00.000000Z"
    released = claimed(PLACE, read_lease(later), UNHELD, 1, NOW)
    assert (released["spec"]["holderIdentity"], released["spec"]["leaseTransitions"]) == ("", 1)


def test_a_lease_of_another_program_without_any_field_can_be_read_and_claimed():
    bare = read_lease({"metadata": {"name": "x", "namespace": "y", "resourceVersion": "3"}})
    assert decide(after_look(candidate(), bare, 0.0), 0.0) == Claim(bare)
    nameless = replace(lease("b"), seconds=None)
    assert decide(after_look(candidate(), nameless, 0.0), 14.9) == Wait(pytest.approx(0.1))


@pytest.mark.parametrize(
    ("timing", "words"),
    [
        (Timing(10, 10.0), "longer than the renew deadline"),
        (Timing(15, 2.0), "longer than 1.2 retry periods"),
        (Timing(retry=0), "more than 0"),
    ],
)
def test_times_by_which_two_could_lead_are_refused(timing, words):
    assert words in timing.problem()
    assert Timing().problem() is None
