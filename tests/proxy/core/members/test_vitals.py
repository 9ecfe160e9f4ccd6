"""What the outcome of a request makes of health and circuit."""

import asyncio
from types import SimpleNamespace

import pytest

from vmcp_api.pod_status import Health
from vmcp_api.spec.operational import CircuitBreaker
from vmcp_proxy.backends.errors import BackendError, Category
from vmcp_proxy.core.members.circuit import Circuit, CircuitState
from vmcp_proxy.core.members.feedback import Asked, answered, failed
from vmcp_proxy.core.members.health import HealthTracker

NO_ANSWER = (Category.UNREACHABLE, Category.FAILED, Category.PROTOCOL, Category.NOT_RUNNING)
PERHAPS_THE_CALLS = (Category.TIMEOUT, Category.REFUSED, Category.FAILED, Category.PROTOCOL, Category.NOT_RUNNING)
NOT_THE_CALLS = [
    (category, asked)
    for category in NO_ANSWER
    for asked in Asked
    if asked is not Asked.CALL or category is Category.UNREACHABLE
]


def a_member(threshold=2, unhealthy=3):
    member = SimpleNamespace(
        name="one",
        health=HealthTracker(unhealthy),
        circuit=Circuit(CircuitBreaker(enabled=True, failure_threshold=threshold, timeout=60.0), 10.0),
        attention=asyncio.Event(),
    )
    answered(member, member.circuit.admit(0.0), Asked.CALL)
    return member


def fail(member, category, asked=Asked.CALL, now=0.0, **more):
    return failed(member, member.circuit.admit(now), BackendError("one", category), asked, now, **more)


def state_after(category, asked, times=5, **more):
    member = a_member()
    for _ in range(times):
        if member.circuit.is_closed:
            fail(member, category, asked, **more)
    return member.circuit.state, member.health.state


@pytest.mark.scenario("B-8")
@pytest.mark.parametrize(("category", "asked"), NOT_THE_CALLS)
def test_a_backend_that_does_not_answer_is_given_up_and_its_supervisor_hears_of_it(category, asked):
    assert state_after(category, asked) == (CircuitState.OPEN, Health.UNHEALTHY)
    member = a_member(threshold=1)
    assert fail(member, category, asked)
    assert member.attention.is_set()


@pytest.mark.parametrize("asked", Asked)
def test_an_open_circuit_is_unhealthy_whatever_the_threshold_of_health(asked):
    member = a_member(threshold=1, unhealthy=100)
    fail(member, Category.UNREACHABLE, asked)
    assert member.health.state is Health.UNHEALTHY


@pytest.mark.scenario("B-8")
@pytest.mark.parametrize("category", PERHAPS_THE_CALLS)
def test_a_call_that_may_have_failed_by_its_own_fault_asks_for_a_probe_and_no_more(category):
    assert state_after(category, Asked.CALL) == (CircuitState.CLOSED, Health.HEALTHY)
    member = a_member()
    assert not fail(member, category)
    assert member.attention.is_set()
    fail(member, Category.TIMEOUT, Asked.PROBE)
    assert member.circuit.state is CircuitState.OPEN


def test_a_listing_that_takes_too_long_is_a_failure_for_the_health_and_a_doubt_for_the_circuit():
    assert state_after(Category.TIMEOUT, Asked.LISTING) == (CircuitState.CLOSED, Health.UNHEALTHY)


@pytest.mark.parametrize("category", PERHAPS_THE_CALLS)
def test_a_probe_has_nobody_else_to_blame(category):
    assert state_after(category, Asked.PROBE) == (CircuitState.OPEN, Health.UNHEALTHY)


@pytest.mark.parametrize("category", [Category.HEADERS, Category.ENDED, Category.FULL, Category.CIRCUIT_OPEN])
def test_what_was_never_sent_says_nothing(category):
    assert state_after(category, Asked.CALL) == (CircuitState.CLOSED, Health.HEALTHY)


@pytest.mark.parametrize(
    ("category", "is_callers", "health"),
    [
        (Category.AUTH, True, Health.HEALTHY),
        (Category.AUTH, False, Health.UNAUTHENTICATED),
        (Category.TOO_LARGE, False, Health.HEALTHY),
    ],
)
def test_who_refuses_credentials_or_says_too_much_is_alive(category, is_callers, health):
    more = {"is_callers": is_callers}
    assert state_after(category, Asked.CALL, **more) == (CircuitState.CLOSED, health)
    member = a_member(threshold=1)
    fail(member, Category.UNREACHABLE)
    assert fail(member, category, now=60.0, **more)
    assert (member.circuit.state, member.health.state) == (CircuitState.CLOSED, health)


def test_a_client_whose_credentials_are_taken_does_not_hide_that_the_backends_own_are_refused():
    member = a_member()
    fail(member, Category.AUTH, Asked.PROBE)
    assert not answered(member, member.circuit.admit(0.0), Asked.CALL, is_callers=True)
    assert member.health.state is Health.UNAUTHENTICATED
    assert answered(member, member.circuit.admit(0.0), Asked.CALL)
    assert member.health.state is Health.HEALTHY


def test_an_answer_from_before_the_opening_heals_nothing():
    member = a_member(threshold=1)
    early = member.circuit.admit(0.0)
    fail(member, Category.UNREACHABLE)
    assert not answered(member, early, Asked.CALL)
    assert not failed(member, early, BackendError("one", Category.AUTH), Asked.CALL, 0.0)
    assert (member.circuit.state, member.health.state) == (CircuitState.OPEN, Health.UNHEALTHY)


def test_the_answer_to_a_trial_heals_both_and_wakes_the_supervisor():
    member = a_member(threshold=1)
    fail(member, Category.UNREACHABLE)
    member.attention.clear()
    assert answered(member, member.circuit.admit(60.0), Asked.CALL)
    assert (member.circuit.state, member.health.state) == (CircuitState.CLOSED, Health.HEALTHY)
    assert member.attention.is_set()
