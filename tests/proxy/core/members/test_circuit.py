"""What opens a circuit, what closes it, and who may pass meanwhile."""

import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.support.examples import examples
from vmcp_api.spec.operational import CircuitBreaker
from vmcp_proxy.core.members.circuit import Circuit, CircuitState, Permit, Refused

CLOSED, OPEN, HALF_OPEN = CircuitState.CLOSED, CircuitState.OPEN, CircuitState.HALF_OPEN
TIMEOUT = 60.0
TRIAL = 10.0


def breaker(threshold=3, *, enabled=True, timeout=TIMEOUT):
    return CircuitBreaker(enabled=enabled, failure_threshold=threshold, timeout=timeout)


def a_circuit(threshold=3, **more):
    return Circuit(breaker(threshold, **more), TRIAL)


def opened(at=0.0, threshold=3):
    circuit = a_circuit(threshold)
    for _ in range(threshold):
        circuit.failed(circuit.admit(at), at)
    assert circuit.state is OPEN
    return circuit


@pytest.mark.scenario("B-8")
@pytest.mark.parametrize(
    ("outcomes", "states"),
    [
        ("fff", [CLOSED, CLOSED, OPEN]),
        ("ffsff", [CLOSED] * 5),
        ("ddddd", [CLOSED] * 5),
        ("ddf", [CLOSED, CLOSED, OPEN]),
        ("dsdff", [CLOSED, CLOSED, CLOSED, CLOSED, OPEN]),
        ("ddsff", [CLOSED] * 5),
        ("aaaaff", [CLOSED] * 6),
    ],
)
def test_failures_in_a_row_open_it_and_doubts_count_once_a_failure_follows(outcomes, states):
    circuit = a_circuit()
    seen = []
    for outcome in outcomes:
        permit = circuit.admit(0.0)
        tell = {"f": circuit.failed, "d": circuit.doubted}.get(outcome)
        if tell is not None:
            tell(permit, 0.0)
        elif outcome == "s":
            circuit.succeeded(permit)
        else:
            circuit.abandoned(permit)
        seen.append(circuit.state)
    assert seen == states


@pytest.mark.scenario("B-8")
def test_while_it_is_open_nobody_passes_and_everybody_hears_how_long_still():
    circuit = opened(at=100.0)
    assert circuit.admit(100.0) == Refused(60.0)
    assert circuit.admit(159.0) == Refused(1.0)
    assert circuit.refused == 2
    assert circuit.retry_at == 160.0


@pytest.mark.scenario("B-8")
def test_after_the_timeout_exactly_one_may_pass_and_its_success_lets_everybody_pass():
    circuit = opened()
    trial = circuit.admit(60.0)
    assert isinstance(trial, Permit)
    assert trial.is_trial
    assert circuit.state is HALF_OPEN
    assert isinstance(circuit.admit(60.0), Refused)
    assert circuit.succeeded(trial)
    assert circuit.state is CLOSED
    assert all(isinstance(circuit.admit(60.0), Permit) for _ in range(3))


@pytest.mark.parametrize("outcome", ["failed", "doubted"])
def test_a_trial_without_an_answer_opens_it_for_the_whole_timeout_again(outcome):
    circuit = opened()
    assert getattr(circuit, outcome)(circuit.admit(60.0), 65.0)
    assert circuit.admit(65.0) == Refused(60.0)
    assert isinstance(circuit.admit(125.0), Permit)


def test_a_trial_that_nobody_waits_for_makes_room_for_another():
    circuit = opened()
    circuit.abandoned(circuit.admit(60.0))
    assert circuit.state is OPEN
    assert isinstance(circuit.admit(60.0), Permit)


def test_a_trial_that_never_ends_counts_as_failed_and_says_nothing_when_it_does():
    circuit = opened()
    hanging = circuit.admit(60.0)
    assert circuit.retry_at == 70.0
    assert circuit.admit(70.0) == Refused(60.0)
    assert not circuit.succeeded(hanging)
    assert circuit.state is OPEN
    assert isinstance(circuit.admit(130.0), Permit)


def test_what_was_sent_before_it_opened_or_closed_neither_closes_nor_opens_it():
    circuit = a_circuit()
    before = circuit.admit(0.0)
    for _ in range(3):
        circuit.failed(circuit.admit(0.0), 0.0)
    assert not circuit.succeeded(before)
    assert circuit.state is OPEN
    circuit.succeeded(circuit.admit(60.0))
    for _ in range(5):
        assert not circuit.failed(before, 61.0)
    assert circuit.state is CLOSED


@pytest.mark.parametrize("settles", ["succeeded", "failed"])
def test_a_breaker_that_is_off_lets_everything_pass_and_asks_for_a_probe_after_a_doubt(settles):
    circuit = a_circuit(1, enabled=False)
    for _ in range(5):
        circuit.failed(circuit.admit(0.0), 0.0)
        circuit.doubted(circuit.admit(0.0), 0.0)
    assert (circuit.state, circuit.is_doubted) == (CLOSED, True)
    permit = circuit.admit(0.0)
    circuit.succeeded(permit) if settles == "succeeded" else circuit.failed(permit, 0.0)
    assert (circuit.state, circuit.is_doubted) == (CLOSED, False)
    circuit.configure(breaker(1), TRIAL)
    assert circuit.state is CLOSED


def test_new_settings_keep_what_was_counted():
    circuit = a_circuit(5)
    for _ in range(3):
        circuit.failed(circuit.admit(0.0), 0.0)
    circuit.configure(breaker(4), TRIAL)
    circuit.failed(circuit.admit(0.0), 0.0)
    assert circuit.state is OPEN
    circuit.configure(breaker(4, timeout=5.0), TRIAL)
    assert circuit.state is OPEN
    assert circuit.admit(4.0) == Refused(1.0)
    assert isinstance(circuit.admit(5.0), Permit)


def test_switching_it_off_closes_it_and_switching_it_on_begins_from_nothing():
    circuit = opened()
    circuit.configure(breaker(enabled=False), TRIAL)
    assert circuit.state is CLOSED
    circuit.configure(breaker(2), TRIAL)
    circuit.failed(circuit.admit(0.0), 0.0)
    assert circuit.state is CLOSED


def test_every_state_that_is_entered_is_counted():
    circuit = opened()
    circuit.failed(circuit.admit(60.0), 60.0)
    circuit.succeeded(circuit.admit(120.0))
    assert circuit.entered == {OPEN: 2, HALF_OPEN: 2, CLOSED: 1}


class AgainstAModel(RuleBasedStateMachine):
    """A plain restatement of the rules walks beside the circuit, whatever happens in whatever order."""

    @initialize(threshold=st.integers(1, 4), timeout=st.integers(1, 50), trial=st.integers(1, 20))
    def begin(self, threshold, timeout, trial):
        self.threshold, self.timeout, self.trial_seconds = threshold, timeout, trial
        self.circuit = Circuit(breaker(threshold, timeout=float(timeout)), float(trial))
        self.now = 0.0
        self.period = 0
        self.bad = self.doubts = 0
        self.opened_at = None
        self.trial = None
        self.sent = []

    @rule(seconds=st.integers(1, 30))
    def time_passes(self, seconds):
        self.now += seconds

    @rule()
    def somebody_asks(self):
        permit = self.circuit.admit(self.now)
        if self.trial is not None and self.now >= self.trial[1]:
            self._open(self.trial[1])
        if self.opened_at is None:
            assert not permit.is_trial
            self.sent.append((permit, self.period))
        elif self.trial is None and self.now >= self.opened_at + self.timeout:
            assert permit.is_trial
            self.trial = (permit, self.now + self.trial_seconds)
            self.sent.append((permit, None))
        else:
            assert isinstance(permit, Refused)
            assert permit.retry_after > 0

    @precondition(lambda self: self.sent)
    @rule(data=st.data(), outcome=st.sampled_from(["succeeded", "failed", "doubted", "abandoned"]))
    def somebody_is_answered(self, data, outcome):
        permit, period = self.sent.pop(data.draw(st.integers(0, len(self.sent) - 1)))
        arguments = (permit,) if outcome in ("succeeded", "abandoned") else (permit, self.now)
        getattr(self.circuit, outcome)(*arguments)
        if period is None:
            if self.trial is not None and self.trial[0] is permit:
                self._decide(outcome)
        elif self.opened_at is None and period == self.period:
            self._count(outcome)

    def _decide(self, outcome):
        if outcome == "succeeded":
            self.opened_at = self.trial = None
        elif outcome == "abandoned":
            self.trial = None
        else:
            self._open(self.now)

    def _count(self, outcome):
        if outcome == "succeeded":
            self.bad = self.doubts = 0
        elif outcome == "doubted":
            self.doubts += 1
        elif outcome == "failed":
            self.bad, self.doubts = self.bad + self.doubts + 1, 0
            if self.bad >= self.threshold:
                self._open(self.now)

    def _open(self, at):
        self.opened_at, self.trial = at, None
        self.bad = self.doubts = 0
        self.period += 1

    @invariant()
    def both_are_in_the_same_state(self):
        if not hasattr(self, "circuit"):
            return
        expected = CLOSED if self.opened_at is None else OPEN if self.trial is None else HALF_OPEN
        assert self.circuit.state is expected
        assert self.circuit.is_doubted == (self.doubts > 0)


TestAgainstAModel = AgainstAModel.TestCase
TestAgainstAModel.settings = hypothesis_settings(max_examples=examples(60), stateful_step_count=40)
