"""What failures and answers make of a backend's health."""

from vmcp_api.pod_status import Health
from vmcp_proxy.backends.errors import Category
from vmcp_proxy.core.members.health import HealthTracker


def states(tracker, *categories):
    """The state after each failure of these categories; None is an answer."""
    seen = []
    for category in categories:
        if category is None:
            tracker.succeeded()
        else:
            tracker.failed(category, category.value)
        seen.append(tracker.state)
    return seen


def test_a_backend_that_never_answered_is_unhealthy_from_its_first_failure_on():
    assert states(HealthTracker(3), *[Category.UNREACHABLE] * 4) == [Health.UNHEALTHY] * 4


def test_a_healthy_backend_is_degraded_until_the_threshold_and_healed_by_one_answer():
    failing = [Category.UNREACHABLE] * 3
    assert states(HealthTracker(3), None, *failing, None, Category.TIMEOUT) == [
        Health.HEALTHY,
        Health.DEGRADED,
        Health.DEGRADED,
        Health.UNHEALTHY,
        Health.HEALTHY,
        Health.DEGRADED,
    ]


def test_refused_credentials_show_at_once_and_are_no_failure_of_the_backend():
    tracker = HealthTracker(2)
    assert states(tracker, None, Category.AUTH) == [Health.HEALTHY, Health.UNAUTHENTICATED]
    assert states(tracker, None, Category.UNREACHABLE) == [Health.HEALTHY, Health.DEGRADED]


def test_what_a_caller_did_wrong_says_nothing_of_the_backend():
    tracker = HealthTracker(1)
    tracker.succeeded()
    for category in (Category.HEADERS, Category.TOO_LARGE, Category.ENDED, Category.FULL):
        assert not tracker.failed(category, "")
        assert tracker.state is Health.HEALTHY
