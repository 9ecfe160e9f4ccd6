"""A tool of the proxy's own is judged and limited as any tool: by its name, its annotations and its arguments."""

import pytest

from tests.proxy.core.policy.cedar.helpers import admitter
from tests.proxy.core.policy.test_admission import NoExchange, admission_of, caller
from vmcp_api.spec.rate_limiting import Bucket, RateLimiting, ToolLimits
from vmcp_proxy.core.catalog.arguments import ArgumentPlan
from vmcp_proxy.core.catalog.capabilities import Capability
from vmcp_proxy.core.outcomes import Denied, Limit, Limited, Result
from vmcp_proxy.core.policy.rate_limit import LimitServices, RateLimit
from vmcp_proxy.core.policy.rate_limits import RateLimits
from vmcp_proxy.core.virtual import Composite, Operation, call
from vmcp_proxy.limits.memory import MemoryLimiter
from vmcp_proxy.protocol.annotations import Annotations
from vmcp_proxy.protocol.kinds import Kind

DEPLOY = Capability(
    Kind.TOOL,
    "deploy",
    "",
    "deploy",
    b"{}",
    arguments=ArgumentPlan(defaults=(("env", b'"prod"'),)),
    annotations=Annotations(read_only=False),
    is_listed=True,
)
CALL = Operation("tools/call", Kind.TOOL, "deploy")
PERMIT_ALL = "permit(principal, action, resource);"


class Own:
    """Has one composite tool and nothing else; `performed` are the calls that came through."""

    def __init__(self):
        self.performed = []

    async def resolve(self, caller, operation):
        return Composite(DEPLOY) if operation.name == "deploy" else None

    async def perform(self, caller, operation, resolved, exchange):
        self.performed.append(operation)
        return Result(b"{}")


@pytest.mark.scenario("Z-5")
@pytest.mark.parametrize(
    ("policy", "is_admitted"),
    [
        ('permit(principal, action, resource == Tool::"deploy");', True),
        ('permit(principal, action, resource in MCP::"office");', True),
        ('permit(principal, action, resource) when { resource.backend == "" };', True),
        ('permit(principal, action, resource) when { resource.original == "deploy" };', True),
        ("permit(principal, action, resource) when { !resource.readOnlyHint };", True),
        ('permit(principal, action, resource) when { context has arg_env && context.arg_env == "prod" };', True),
        ('permit(principal, action, resource in Backend::"");', False),
        ('permit(principal, action, resource in Backend::"deploy");', False),
        ('permit(principal, action, resource == Tool::"other");', False),
        (PERMIT_ALL + 'forbid(principal, action, resource) when { context.arg_env == "prod" };', False),
    ],
)
async def test_policies_know_a_composite_by_what_it_is_and_by_no_backend(policy, is_admitted):
    own, exchange = Own(), NoExchange()
    reply = await call(admission_of(own, admitter(policy)), caller(), CALL, exchange)
    assert reply == (Result(b"{}") if is_admitted else Denied())
    assert len(own.performed) == is_admitted
    assert exchange.decision is not None


async def test_a_limit_of_a_tool_holds_for_a_composite_of_that_name():
    heard = []

    class Observer:
        def on_limits(self, limits, outcome):
            heard.append((tuple(limits), outcome.value))

    services = LimitServices(
        MemoryLimiter(), lambda identity: "u", lambda caller: False, lambda caller: False, Observer()
    )
    settings = RateLimiting(tools=[ToolLimits(name="deploy", shared=Bucket(max_tokens=1, refill_period=60))])
    own = Own()
    limited = RateLimit(own, RateLimits(settings), services)
    assert await call(limited, caller(), CALL, NoExchange()) == Result(b"{}")
    refused = await call(limited, caller(), CALL, NoExchange())
    assert isinstance(refused, Limited)
    assert refused.limit is Limit.TOOL_SHARED
    assert len(own.performed) == 1
