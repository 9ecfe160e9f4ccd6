"""What callers send or name is never taken for something else that policies read or name."""

import json

import pytest

from tests.proxy.core.policy.cedar.helpers import a_tool, admitter, decided, entry, shown, unknown, who
from vmcp_proxy.protocol.kinds import Kind

pytestmark = pytest.mark.scenario("Z-3")

ALICE = who("alice")
TOOL = a_tool("t")
THINGS = (TOOL, entry(Kind.PROMPT, "p"), entry(Kind.RESOURCE, "x://a"), entry(Kind.TEMPLATE, "x://{id}"))
EVERYTHING = "permit(principal, action, resource);"
BY_PATH = (
    '@id("guard") forbid(principal, action, resource) when { context has arg_path && context.arg_path == "/etc" };'
)
WHOLE = "forbid(principal, action, resource) when { context == {} };"


def guarded(condition):
    return admitter(EVERYTHING, f'@id("guard") forbid(principal, action, resource) when {{ {condition} }};')


@pytest.mark.parametrize("kind", ["Tool", "Prompt", "Resource"])
@pytest.mark.parametrize(
    "policy",
    [
        'permit(principal, action, resource == %s::"");',
        'permit(principal, action, resource) when { resource == %s::"" };',
        'permit(principal, action, resource) when { resource in [%s::"", Tool::"none"] };',
    ],
)
async def test_a_policy_about_an_empty_name_is_about_no_other(policy, kind):
    policies = admitter(policy % kind)
    assert shown(policies, ALICE, *THINGS) == []
    for thing in THINGS[:3]:
        assert not (await decided(policies, ALICE, thing)).admits
    assert not (await unknown(policies, ALICE, "nothing")).admits
    assert (await decided(admitter(policy % "Tool"), ALICE, a_tool(""))).admits


@pytest.mark.parametrize("kind", ["Tool", "Prompt", "Resource"])
@pytest.mark.parametrize("wrapped", [lambda uid: uid, lambda uid: {"__entity": uid}])
async def test_what_the_config_tells_of_an_empty_name_holds_for_no_other(kind, wrapped):
    told = [{"uid": wrapped({"type": kind, "id": ""}), "attrs": {}, "parents": [{"type": "Set", "id": "safe"}]}]
    policies = admitter('permit(principal, action, resource in Set::"safe");', entities=json.dumps(told))
    assert shown(policies, ALICE, *THINGS[:3]) == []
    for thing in THINGS[:3]:
        assert not (await decided(policies, ALICE, thing)).admits


@pytest.mark.parametrize(
    ("condition", "fine", "posing"),
    [
        (
            "!(context has arg_transfer.amount && context.arg_transfer.amount <= 500)",
            {"transfer": {"amount": 1, "note": {"Amount": 2}}},
            ['{"transfer": {"amount": 1, "Amount": 100000}}', '{"transfer": {"amount": 1, "AMOUNT": null}}'],
        ),
        (
            'context has arg_mode.kind && context.arg_mode.kind == "delete"',
            {"mode": {"kind": "read", "Other": 1}},
            [
                '{"mode": {"Kind": "delete"}}',
                '{"mode": {"kind": "read", "Kind": "delete"}}',
                '{"mode": {"kind": "read", "kind": "delete"}}',
                '{"mode": {"\\u212aind": "delete"}}',
                '{"Mode": {"kind": "delete"}}',
            ],
        ),
        (
            "context has arg_a.b.c",
            {"a": {"c": {"B": 1}, "b": {}}},
            ['{"a": {"b": {"C": 1}}}', '{"a": {"B": {"c": 1}}}', '{"a": {"b": {}, "B": {"c": 1}}}'],
        ),
        (
            'context.arg_all.contains({"kind": "delete"})',
            {"all": [{"kind": "read"}]},
            ['{"all": [{"Kind": "delete"}]}', '{"all": [{"kind": "read"}, {"x": [{"a": 1, "A": 2}]}]}'],
        ),
        (
            'context.arg_one == {"deep": {"kind": "delete"}}',
            {"one": {"deep": {"kind": "read"}}},
            ['{"one": {"deep": {"Kind": "delete"}}}', '{"one": {"Deep": {"kind": "delete"}}}'],
        ),
        (
            "(if context has arg_b then context.arg_b else context.arg_a).kind == 1",
            {"a": {"kind": 2}},
            ['{"a": {"kind": 2, "Kind": 1}}', '{"b": {"kind": 2}, "B": {"kind": 1}}'],
        ),
        (
            "context has arg_items_present",
            {"items": "one", "other": [1]},
            ['{"Items": [1]}', '{"items": [1], "items": "x"}', '{"items": "x", "items": "y"}', '{"iTems": "x"}'],
        ),
        (
            "!(context has arg_filter_present && context.arg_filter_present)",
            {"filter": {"a": 1}},
            ['{"filter_present": true}', '{"filter_present": true, "filter": "s"}', '{"filter": [], "Filter": "s"}'],
        ),
    ],
)
async def test_members_that_a_backend_could_take_for_one_that_a_policy_reads_deny_at_every_level(
    condition, fine, posing
):
    policies = guarded(condition)
    assert (await decided(policies, ALICE, TOOL, fine)).admits
    for raw in posing:
        assert (await decided(policies, ALICE, TOOL, raw.encode())).errors == ("guard",), raw


@pytest.mark.parametrize("raw", [b'{"Path": "/etc"}', b'{"path": "/", "Path": "/etc"}'])
async def test_a_policy_that_reads_the_whole_context_takes_nothing_from_what_others_guard(raw):
    assert "guard" in (await decided(admitter(EVERYTHING, BY_PATH, WHOLE), ALICE, TOOL, raw)).errors


@pytest.mark.parametrize(
    "raw",
    [
        b'{"a": 1, "A": 2}',
        b'{"a": {"b": 1, "B": 2}}',
        b'{"N": 1}',
        b'{"a": [], "a_present": true}',
        b'{"o_present": 1}',
    ],
)
async def test_where_the_whole_context_is_read_all_names_count(raw):
    policies = admitter(EVERYTHING, "forbid(principal, action, resource) when { context == {arg_n: 1} };")
    assert (await decided(policies, ALICE, TOOL, {"a": {"b": 1}, "n": 1})).admits
    assert (await decided(policies, ALICE, TOOL, raw)).errors == ("policy1",)


async def test_two_spellings_can_both_be_read_and_each_is_itself():
    policies = guarded('context has arg_path && context.arg_path == "/etc" || context has arg_Path')
    assert (await decided(policies, ALICE, TOOL, {"path": "/"})).admits
    assert (await decided(policies, ALICE, TOOL, {"Path": "/"})).policies == ("guard",)
    for raw in (b'{"PATH": "/"}', b'{"path": "/", "Path": "/"}'):
        assert (await decided(policies, ALICE, TOOL, raw)).errors == ("guard",)


async def test_members_of_what_no_policy_reads_and_of_claims_may_differ_by_case_alone():
    policies = guarded("context has arg_a.kind && context.arg_a.kind == principal.claim_a.kind")
    odd = who("alice", a={"kind": 1, "Kind": 2})
    assert (await decided(policies, odd, TOOL, {"b": {"kind": 1, "Kind": 2}, "B": 1, "a": {"x": {"Kind": 1}}})).admits
