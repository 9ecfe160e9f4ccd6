"""What a request still takes once it has had tokens before its look-up."""

import pytest

from vmcp_api.spec.rate_limiting import Bucket, RateLimiting, ToolLimits
from vmcp_proxy.auth.identity import ANONYMOUS, Identity
from vmcp_proxy.core.outcomes import Limit
from vmcp_proxy.core.policy import rate_limits
from vmcp_proxy.core.policy.rate_limits import RateLimits

BUCKET = Bucket(max_tokens=3, refill_period=60)
LIMITS = RateLimits(
    RateLimiting(
        shared=BUCKET,
        tools=[ToolLimits(name="one_echo", shared=BUCKET), ToolLimits(name="one_other", shared=BUCKET)],
    )
)


@pytest.mark.parametrize(
    ("tool", "had", "left"),
    [
        ("one_echo", "one_echo", []),
        ("one_echo", "echo", [Limit.TOOL_SHARED]),
        ("one_echo", "one_other", [Limit.TOOL_SHARED]),
        ("echo", "one_echo", []),
        (None, None, []),
    ],
)
def test_a_tool_that_a_page_called_by_its_own_name_takes_the_tokens_of_its_buckets_and_no_other_twice(tool, had, left):
    assert list(LIMITS.needed_beside(tool, had, lambda _: "u", ANONYMOUS).limits) == left


def test_each_caller_has_buckets_of_its_own_by_names_that_are_kept_for_a_bounded_number_of_them(monkeypatch):
    monkeypatch.setattr(rate_limits, "_MOST_NAMED", 3)
    limits = RateLimits(RateLimiting(per_user=BUCKET, tools=[ToolLimits(name="one_echo", per_user=BUCKET)]))

    def needed(tool, user):
        return limits.needed(tool, lambda identity: identity.subject, Identity("https://issuer.example", user))

    names = {user: [use.key for use in needed("one_echo", user).uses] for user in "abcdefgh"}
    assert names["a"] == ["user:a:3/60000", "tool:one_echo:user:a:3/60000"]
    assert len({name for each in names.values() for name in each}) == 16
    assert needed("one_echo", "h") is needed("one_echo", "h")
    assert needed(None, "h").limits == (Limit.PER_USER,)
    assert len(limits._of_users) <= 3
