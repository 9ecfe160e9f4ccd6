"""What a request still takes once it has had tokens before its look-up."""

import pytest

from vmcp_api.spec.rate_limiting import Bucket, RateLimiting, ToolLimits
from vmcp_proxy.core.outcomes import Limit
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
    assert [limit for limit, _ in LIMITS.uses_beside(tool, had, lambda: "u")] == left
