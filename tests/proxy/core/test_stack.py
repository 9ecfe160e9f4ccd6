"""Which layers the core has under a config, and in which order."""

from types import SimpleNamespace

import pytest

from tests.support.policies import Heard
from tests.support.rules import Effect, Rule, RuleBased
from vmcp_api.spec.authorization import PolicyMode
from vmcp_api.spec.operational import PartialFailureMode
from vmcp_api.spec.rate_limiting import Bucket, RateLimiting
from vmcp_proxy.core.catalog.capabilities import Capability
from vmcp_proxy.core.catalog.catalog import Catalog
from vmcp_proxy.core.policy.admission import Admission
from vmcp_proxy.core.policy.all_or_nothing import AllOrNothing
from vmcp_proxy.core.policy.questions import AllowAll, RefuseAll
from vmcp_proxy.core.policy.rate_limit import RateLimit
from vmcp_proxy.core.policy.reach import Reach
from vmcp_proxy.core.policy.shadow import Shadow
from vmcp_proxy.core.stack import CoreServices, CoreSettings, LiveCore, build_core
from vmcp_proxy.protocol.kinds import Kind

A_TOOL = Capability(Kind.TOOL, "t", "b", "t", b"{}")
POLICY = RuleBased((Rule(Effect.PERMIT),))
FAIL, BEST_EFFORT = PartialFailureMode.FAIL, PartialFailureMode.BEST_EFFORT
LIMITED = RateLimiting(shared=Bucket(max_tokens=1, refill_period=1))
LIMITS = SimpleNamespace(limiter=None, user_key=None, asks=None, asks_for_one=None, observer=None)
SERVICES = CoreServices(
    SimpleNamespace(), Catalog, SimpleNamespace(members={}, withheld=()), Heard(), {}.get, Reach(), LIMITS
)


def layers(core):
    """The types of the layers above the aggregate, outermost first."""
    while core is not SERVICES.aggregate:
        yield type(core)
        core = core._inner


@pytest.mark.scenario("C-1")
@pytest.mark.parametrize(
    ("admitter", "mode", "limits", "expected"),
    [
        (AllowAll(), BEST_EFFORT, None, []),
        (POLICY, BEST_EFFORT, None, [Admission]),
        (RefuseAll(PolicyMode.SHADOW), BEST_EFFORT, None, [Shadow]),
        (AllowAll(), FAIL, None, [AllOrNothing]),
        (AllowAll(), BEST_EFFORT, LIMITED, [RateLimit]),
        (RefuseAll(PolicyMode.SHADOW), BEST_EFFORT, LIMITED, [Shadow, RateLimit]),
        (POLICY, FAIL, LIMITED, [AllOrNothing, Admission, RateLimit]),
    ],
)
def test_what_is_not_configured_is_not_in_the_core_and_the_rest_stands_in_one_order(admitter, mode, limits, expected):
    assert list(layers(build_core(CoreSettings(admitter, mode, limits), SERVICES))) == expected


class Composites(SimpleNamespace):
    """Stands for the layer of composite tools."""

    def __init__(self, inner, steps):
        super().__init__(_inner=inner, steps=steps)


@pytest.mark.scenario("Z-5")
@pytest.mark.parametrize(
    ("admitter", "around", "judged", "unjudged"),
    [
        (AllowAll(), [RateLimit], [RateLimit], [RateLimit]),
        (POLICY, [Admission, RateLimit], [Admission, RateLimit], [RateLimit]),
        (RefuseAll(PolicyMode.SHADOW), [Shadow, RateLimit], [Shadow, RateLimit], [RateLimit]),
    ],
)
def test_a_composite_tool_is_one_call_to_policies_and_limits_and_each_step_is_another(
    admitter, around, judged, unjudged
):
    made = []

    def build(inner, steps, shared):
        del shared
        made.append(Composites(inner, steps))
        return made[0]

    core = build_core(CoreSettings(admitter, FAIL, LIMITED, build), SERVICES)
    assert list(layers(core)) == [AllOrNothing, *around, Composites]
    [composites] = made
    assert list(layers(composites.steps.judged)) == judged
    assert list(layers(composites.steps.unjudged)) == unjudged
    shown = [True, True] if admitter is not POLICY else admitter.shows(None, [A_TOOL, A_TOOL])
    assert list(composites.steps.shows(None, [A_TOOL, A_TOOL])) == list(shown)


def test_a_core_in_force_hands_on_without_a_step_of_its_own():
    inner = SimpleNamespace(**{name: lambda *asked, name=name: (name, *asked) for name in ("view", "list", "resolve")})
    live = LiveCore(inner)
    assert (live.view(1), live.list(1, 2), live.resolve(1, 2)) == (("view", 1), ("list", 1, 2), ("resolve", 1, 2))
