"""Why a policy failed is told, and nothing of what callers say with it."""

import json

import pytest

from tests.proxy.core.policy.cedar.helpers import a_tool, admitter, decided, entry, who
from tests.proxy.core.policy.cedar.test_replay import judged, recorded
from vmcp_proxy.core.policy.cedar.failures import UNTOLD, describe_failure
from vmcp_proxy.protocol.kinds import Kind

pytestmark = pytest.mark.scenario("Z-3", "Z-6")

CANARY = "canary"
CALLER = who(
    f"{CANARY}` does not have the attribute `{CANARY}",
    s=CANARY,
    n=2**63 - 1,
    list=[CANARY],
    deep={CANARY: 1},
    huge=2**70,
)
TOOL = a_tool(CANARY)
CALL = {"s": CANARY, "n": 7_003, "deep": {CANARY: CANARY}, "twice": {"a": 1, "A": 2}, "null": None}
CASES = [
    ("principal.claim_x == 1", "the Client of this call has no attribute 'claim_x'"),
    ("context.arg_missing == 1", "the record has no attribute 'arg_missing'"),
    ("context.arg_deep.inner == 1", "the record has no attribute 'inner'"),
    ("resource.readOnlyHint", "the Tool of this call has no attribute 'readOnlyHint'"),
    ("principal.claim_s > 1", "type error: expected long, got string"),
    ("context.arg_s && true", "type error: expected bool, got string"),
    ("principal in context.arg_s", "type error: expected one of [set, (entity of type `any_entity_type`)], got string"),
    ("principal.claim_n + context.arg_n > 0", "integer overflow while attempting to add"),
    ('decimal(context.arg_s).lessThan(decimal("1.0"))', "the function decimal cannot read the text that it was given"),
    ("ip(principal.claim_s).isLoopback()", "the function ipaddr cannot read the text that it was given"),
    ("principal.getTag(context.arg_s) == 1", "the Client of this call has no such tag"),
    ('Group::"g".of == 1', "nothing is told of the Group whose attribute it reads"),
    ("principal.claim_huge > 1", "Cedar has no value for what stands in claim_huge"),
    (
        "context.arg_null == 1",
        "arg_null cannot be judged by: Cedar has no value for it, or a backend could take another member for it",
    ),
    (
        "context.arg_twice.a == 1",
        "arg_twice cannot be judged by: Cedar has no value for it, or a backend could take another member for it",
    ),
    ("context == {}", "Cedar has no value for what stands in a claim"),
]


@pytest.mark.parametrize(("condition", "why"), CASES)
async def test_why_a_policy_failed_is_told_in_words_without_claims_and_arguments(condition, why):
    policies = (f'@id("it") permit(principal, action, resource) when {{ {condition} }};',)
    decision = await decided(admitter(*policies), CALLER, TOOL, CALL)
    assert (decision.outcome, decision.errors, decision.why) == ("deny", ("it",), (why,))
    again = await judged(policies, recorded(CALLER, TOOL, CALL, claims=None))
    assert (again.errors, again.why) == (decision.errors, decision.why)
    assert CANARY not in json.dumps(decision.why)
    assert "7003" not in json.dumps(decision.why)


async def test_each_that_failed_has_its_own_reason_in_the_order_of_the_policies():
    policies = admitter(
        "permit(principal, action, resource);",
        '@id("b") forbid(principal, action, resource) when { context.arg_b };',
        '@id("a") forbid(principal, action, resource) when { principal.claim_a };',
        '@id("a") forbid(principal, action, resource) when { principal.claim_c };',
    )
    decision = await decided(policies, who("alice"), a_tool("t"), {})
    assert decision.errors == ("b", "a")
    assert decision.why == ("the record has no attribute 'arg_b'", "the Client of this call has no attribute 'claim_a'")


async def test_what_must_fail_whatever_the_arguments_are_says_so_in_lists_and_replays_as_well():
    policy = '@id("it") permit(principal, action, resource) when { context.arg_a == 1 && principal.claim_team == 1 };'
    certain = '@id("it") permit(principal, action, resource) when { principal.claim_team == context.arg_a };'
    call = recorded(who("alice"), a_tool("t"), has_arguments=False)
    assert (await judged([policy], call)).outcome == "deny"
    verdict = await judged([certain], call)
    assert (verdict.errors, verdict.why) == (("it",), ("the Client of this call has no attribute 'claim_team'",))


@pytest.mark.parametrize(
    "said", ["", "policy `policy0` is odd", f"error while evaluating policy `policy0`: {CANARY}", f"`{CANARY}`"]
)
def test_what_the_library_may_say_one_day_is_not_passed_on(said):
    assert describe_failure(said) == UNTOLD


async def test_a_uri_that_could_be_taken_for_another_is_denied_for_that():
    policies = admitter('permit(principal, action, resource) when { resource.uri like "file:///public/*" };')
    template = entry(Kind.TEMPLATE, "file:///{+path}")
    for uri, flaw in {
        "file:///public/../etc": "a dot segment, plain or encoded",
        "file:///public/%2e%2e/etc": "a slash, a letter, a digit or one of -._~ that is percent-encoded",
        "file:///public/a#b": "a fragment",
        "file:///public/a b": "a blank",
        "file:///public/a%": "an encoding that is broken, no UTF-8, or many times over",
        "file:///public/a%00": "a control character or a backslash, plain or encoded",
        "file:///public/a": "",
        "file:///private/a": "",
    }.items():
        decision = await decided(policies, who("alice"), template, name=uri)
        assert (decision.flaw, decision.admits) == (flaw, uri == "file:///public/a"), uri
