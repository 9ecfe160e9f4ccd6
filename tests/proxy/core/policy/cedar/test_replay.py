"""Other policies on recorded calls: what is not known is never guessed, and what is certain is told."""

import dataclasses
import json

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.proxy.core.policy.cedar.helpers import SERVER, a_tool, admitter, decided, entry, who
from tests.proxy.core.policy.cedar.test_matrix import POLICIES, RESOURCES, TOOLS
from tests.support.examples import examples
from vmcp_proxy.core.policy.cedar.replay import ORIGINAL_NAME, RecordedCall, Replay
from vmcp_proxy.core.policy.questions import ACTION_ON, Action, judged_name
from vmcp_proxy.protocol.annotations import NO_ANNOTATIONS
from vmcp_proxy.protocol.kinds import Kind

pytestmark = pytest.mark.scenario("Z-8")

IDENTITIES = st.builds(
    lambda subject, claims: who(subject, **claims),
    st.sampled_from(["alice", "bob"]),
    st.fixed_dictionaries(
        {},
        optional={
            "groups": st.lists(st.sampled_from(["dev", "ops"]), unique=True),
            "team": st.sampled_from(["red", "blue", 3]),
            "level": st.integers(0, 4),
        },
    ),
)
ARGUMENTS = st.none() | st.fixed_dictionaries(
    {},
    optional={
        "path": st.sampled_from(["/open/a", "/etc", "t"]),
        "count": st.integers(0, 5),
        "flag": st.booleans(),
        "tags": st.lists(st.sampled_from(["a", "b"])),
        "deep": st.fixed_dictionaries({}, optional={"inner": st.integers(0, 2)}),
    },
)
SUB = {"claims": frozenset({"sub"})}
UNNAMED = {"original": None}
ALL_CLAIMS = frozenset({"groups", "team", "level", "sub", "iss"})


def recorded(identity, capability, arguments=None, **known):
    """The call with all of it written down, but for what `known` says otherwise."""
    raw = None if arguments is None else json.dumps(arguments).encode()
    whole = {"claims": ALL_CLAIMS, "has_arguments": True, "has_annotations": True, **known}
    action, name = ACTION_ON[capability.kind], judged_name(capability, capability.exposed)
    about = (name, capability.original, capability.backend, capability.annotations)
    return RecordedCall(identity, action, *about, raw, **whole)


def forgotten(call, claims, has_arguments, has_annotations, has_original):
    """The same call of which less was written down."""
    kept = {name: value for name, value in call.identity.claims.items() if name in claims}
    return msgspec.structs.replace(
        call,
        identity=dataclasses.replace(call.identity, claims=kept),
        claims=frozenset(claims) | {"sub", "iss"},
        arguments=call.arguments if has_arguments else None,
        original=call.original if has_original or call.action is Action.READ_RESOURCE else None,
        has_arguments=has_arguments,
        annotations=call.annotations if has_annotations else NO_ANNOTATIONS,
        has_annotations=has_annotations,
    )


async def judged(policies, call):
    return await Replay(policies, server=SERVER, entities="[]", group_claims=("groups",)).judge(call)


@settings(max_examples=examples(150), deadline=None)
@given(
    POLICIES,
    IDENTITIES,
    st.sampled_from([*TOOLS, *RESOURCES]),
    ARGUMENTS,
    st.frozensets(st.sampled_from(["groups", "team", "level"])),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)
async def test_a_verdict_is_that_of_the_whole_call_however_little_of_it_was_written_down(
    policies, identity, capability, arguments, claims, has_arguments, has_annotations, has_original
):
    if capability.kind is Kind.RESOURCE:
        arguments = None
    decision = await decided(
        admitter(*policies), identity, capability, json.dumps(arguments).encode() if arguments else None
    )
    whole = await judged(policies, recorded(identity, capability, arguments or None))
    assert (whole.outcome, whole.policies, whole.errors) == (decision.outcome, decision.policies, decision.errors)
    less = forgotten(
        recorded(identity, capability, arguments or None), claims, has_arguments, has_annotations, has_original
    )
    part = await judged(policies, less)
    assert part.outcome in (None, decision.outcome)
    assert (part.outcome is None) == bool(part.lacks)


@pytest.mark.parametrize(
    ("policy", "known", "outcome", "lacks"),
    [
        ("permit(principal, action, resource);", {}, "allow", ()),
        ('permit(principal == Client::"bob", action, resource);', {}, "deny", ()),
        ('permit(principal in Group::"g", action, resource);', {}, None, ("groups",)),
        ('permit(principal in Group::"g", action, resource);', {"claims": frozenset({"groups"})}, "allow", ()),
        ('permit(principal in Team::"g", action, resource);', {}, None, ("groups",)),
        ('permit(principal, action, resource) when { context.claim_team == "r" };', {}, None, ("claim team",)),
        ('permit(principal, action, resource) when { context.claim_sub == "alice" };', SUB, "allow", ()),
        ("permit(principal, action, resource) when { resource.readOnlyHint };", {}, None, ("annotations",)),
        ('permit(principal, action, resource) when { resource.original == "t" };', UNNAMED, None, (ORIGINAL_NAME,)),
        ('permit(principal, action, resource) when { resource.original == "t" };', {}, "allow", ()),
        ("permit(principal, action, resource) when { context.arg_a == 1 };", {}, None, ("arguments",)),
        ("permit(principal, action, resource) when { context == {} };", {}, None, ("all claims", "arguments")),
        # What is about others needs nothing.
        ('permit(principal in Group::"g", action == Action::"get_prompt", resource);', {}, "deny", ()),
        ('permit(principal in Group::"g", action, resource == Tool::"other");', {}, "deny", ()),
        ('permit(principal in Group::"g", action, resource in Backend::"other");', {}, "deny", ()),
        ('permit(principal in Group::"g", action, resource is Prompt);', {}, "deny", ()),
    ],
)  # fmt: skip
async def test_what_is_not_known_counts_only_where_it_decides(policy, known, outcome, lacks):
    identity = who("alice", groups=["g"], sub="alice")
    call = recorded(identity, a_tool("t"), claims=frozenset(), has_arguments=False, has_annotations=False)
    call = msgspec.structs.replace(call, **known)
    verdict = await judged([policy], call)
    assert (verdict.outcome, verdict.lacks) == (outcome, lacks)


async def test_a_known_forbid_decides_whatever_the_rest_is_and_a_possible_one_leaves_it_open():
    permit, forbid = "permit(principal, action, resource);", '@id("no") forbid(principal, action, resource)'
    call = recorded(who("alice"), a_tool("t"), claims=frozenset(), has_arguments=False)
    verdict = await judged([permit, f'{forbid} when {{ resource.backend == "b" }};'], call)
    assert (verdict.outcome, verdict.policies) == ("deny", ("no",))
    verdict = await judged([permit, f"{forbid} when {{ context.claim_x == 1 }};"], call)
    assert (verdict.outcome, verdict.policies, verdict.lacks) == (None, ("no",), ("claim x",))


async def test_masked_arguments_count_as_unknown_where_a_policy_reads_them():
    call = recorded(who("alice"), a_tool("t"), {"a": 1}, masked=frozenset({"password"}))
    assert (await judged(["permit(principal, action, resource) when { context.arg_a == 1 };"], call)).outcome == "allow"
    verdict = await judged(['permit(principal, action, resource) when { context.arg_password == "x" };'], call)
    assert (verdict.outcome, verdict.lacks) == (None, ("arguments",))


@pytest.mark.parametrize(
    ("condition", "masked"),
    [
        ("context has arg_password_present", "password"),
        ("resource has arg_password_present", "password"),
        ("!(context has arg_password_present && context.arg_password_present)", "password"),
        ("context has arg_token_present", "token_present"),
        # It would be denied for being so like the one that is read.
        ('context has arg_token && context.arg_token == "x"', "Token"),
        ("context has arg_token_present", "TOKEN"),
    ],
)
async def test_a_masked_argument_counts_as_unknown_by_whatever_a_policy_could_see_of_it(condition, masked):
    call = recorded(who("alice"), a_tool("t"), {"a": 1}, masked=frozenset({masked}))
    for effect in ("permit", "forbid"):
        policies = [f"{effect}(principal, action, resource) when {{ {condition} }};"]
        verdict = await judged([*policies, *(["permit(principal, action, resource);"] * (effect == "forbid"))], call)
        assert (verdict.outcome, verdict.lacks) == (None, ("arguments",))


async def test_resources_have_no_arguments_that_could_be_missing():
    call = recorded(who("alice"), entry(Kind.RESOURCE, "x://a"), has_arguments=False)
    verdict = await judged(["permit(principal, action, resource) unless { context has arg_a };"], call)
    assert (verdict.outcome, verdict.lacks) == ("allow", ())
