"""What callers can make the policies remember, and what no text of theirs can do."""

from dataclasses import replace

import pytest
from msgspec import structs

from tests.proxy.core.policy.cedar.helpers import a_tool, admitter, decided, entry, unknown, who
from vmcp_proxy.core.catalog.uri_template import LONGEST_NAME
from vmcp_proxy.core.policy.cedar import admitter as asking
from vmcp_proxy.core.policy.cedar import standings as module
from vmcp_proxy.core.policy.cedar.arguments import MOST_BYTES, MOST_FRACTIONS, MOST_VALUES
from vmcp_proxy.core.policy.questions import Action, Question
from vmcp_proxy.protocol.annotations import Annotations
from vmcp_proxy.protocol.kinds import Kind

READ = a_tool("read")
READER = who("reader")
DESTRUCTIVE = Annotations(destructive=True)
BY_NAME = 'permit(principal, action, resource) when { resource.name like "a*" && context has arg_x };'


def kept(policies):
    return [len(each.standings) for each in policies._subjects._subjects.values()]


def found_by_claims(policies):
    return set(map(id, policies._subjects._by_claims.values()))


async def test_guessed_names_and_many_callers_are_remembered_within_bounds(monkeypatch):
    monkeypatch.setattr(module, "_MOST_THINGS", 20)
    monkeypatch.setattr(module, "_MOST_STANDINGS", 50)
    monkeypatch.setattr(module, "_MOST_IDENTITIES", 5)
    policies = admitter(BY_NAME)
    for number in range(300):
        identity = who(f"caller-{number % 7}", number=number % 3)
        assert not (await unknown(policies, identity, f"name-{number}")).admits
        assert sum(kept(policies)) == policies._subjects._kept <= 50
        assert len(kept(policies)) <= 5
        assert found_by_claims(policies) <= set(map(id, policies._subjects._subjects.values()))
        assert max(kept(policies)) <= 20
    assert (await decided(admitter(BY_NAME), who("a"), a_tool("abc"), {"x": 1})).admits


async def test_callers_who_are_asked_about_stay_and_others_give_way(monkeypatch):
    monkeypatch.setattr(module, "_MOST_IDENTITIES", 5)
    policies, often = admitter("permit(principal, action, resource);"), who("often")
    for number in range(20):
        assert (await decided(policies, often, READ)).admits
        assert (await decided(policies, who(f"once-{number}"), READ)).admits
    remembered = [each.subject for each in policies._subjects._subjects]
    assert len(remembered) == 5
    assert "often" in remembered


async def test_callers_whose_claims_are_one_object_are_decided_apart():
    policies = admitter('permit(principal == Client::"alice", action, resource);')
    alice, claims = who("alice"), {}
    for _ in range(3):
        for subject in ("alice", "bob"):
            identity = replace(alice, subject=subject, claims=claims)
            assert (await decided(policies, identity, READ)).admits is (subject == "alice")


@pytest.mark.parametrize("condition", ["true", "context.arg_x == 1"])
async def test_one_tool_is_decided_on_apart_for_callers_tokens_and_where_they_count_arguments(condition):
    policies = admitter(f'permit(principal in Group::"dev", action, resource) when {{ {condition} }};')
    tool, dev, lapsed, other = entry(Kind.TOOL, "t"), who("a", groups=["dev"]), who("a"), who("b")
    for _ in range(3):
        assert (await decided(policies, dev, tool, {"x": 1})).admits
        assert (await decided(policies, dev, tool, {"x": 2})).admits is (condition == "true")
        assert not (await decided(policies, lapsed, tool, {"x": 1})).admits
        assert not (await decided(policies, other, tool, {"x": 1})).admits


@pytest.mark.parametrize(
    ("condition", "other"),
    [
        ('resource in Backend::"b"', entry(Kind.TOOL, "t", "c")),
        ('resource.original == "t"', entry(Kind.TOOL, "t", original="u")),
        ("!(resource has destructiveHint)", structs.replace(entry(Kind.TOOL, "t"), annotations=DESTRUCTIVE)),
        ('action == Action::"call_tool"', entry(Kind.PROMPT, "t")),
    ],
)
async def test_what_takes_the_name_of_a_tool_that_was_decided_on_is_decided_on_anew(condition, other):
    policies = admitter(f"permit(principal, action, resource) when {{ {condition} }};")
    for _ in range(3):
        assert (await decided(policies, READER, entry(Kind.TOOL, "t"))).admits
        assert not (await decided(policies, READER, other)).admits


async def test_what_is_denied_is_found_out_in_the_way_of_what_nothing_bears(monkeypatch):
    policies = admitter('permit(principal, action, resource in Backend::"b");')
    looked, thing_of = [], policies._thing
    monkeypatch.setattr(policies, "_thing", lambda *about: looked.append(about[2]) or thing_of(*about))
    for _ in range(3):
        assert (await decided(policies, READER, entry(Kind.TOOL, "t"))).admits
        assert not (await decided(policies, READER, entry(Kind.TOOL, "hidden", "c"))).admits
        assert not (await unknown(policies, READER, "unknown")).admits
    assert looked == ["t", "hidden", "unknown"] + ["hidden", "unknown"] * 2


async def test_a_decision_on_a_call_says_nothing_of_other_actions_nor_of_calls_whose_arguments_are_not_all_known():
    policies = admitter(
        'permit(principal, action in [Action::"call_tool", Action::"get_prompt"], resource);',
        'forbid(principal, action, resource) when { resource.name == "u" && context.arg_x == 1 };',
    )
    tool, prompt = entry(Kind.TOOL, "t"), entry(Kind.PROMPT, "t")
    flawed = Question(READER, Action.GET_PROMPT, prompt, "t", b'{"x":1,"x":2}')
    for _ in range(3):
        assert (await decided(policies, READER, tool)).admits
        assert not (await policies.decide(Question(READER, Action.READ_RESOURCE, tool, "t"))).admits
        assert (await policies.decide(flawed)).admits
        assert (await policies.decide(structs.replace(flawed, is_open=True))).errors


async def test_a_resource_that_was_decided_on_says_nothing_of_the_same_uri_where_no_list_has_it():
    policies = admitter('permit(principal, action, resource) when { resource.uri like "file:///*" };')
    listed = entry(Kind.RESOURCE, "file:///a/../b")
    for _ in range(3):
        assert (await decided(policies, READER, listed)).admits
        assert not (await decided(policies, READER, structs.replace(listed, is_listed=False))).admits
        assert not (await decided(policies, READER, structs.replace(listed, kind=Kind.TEMPLATE))).admits


async def test_tools_and_callers_are_remembered_together_within_bounds(monkeypatch):
    monkeypatch.setattr(module, "_MOST_THINGS", 20)
    monkeypatch.setattr(module, "_MOST_STANDINGS", 50)
    monkeypatch.setattr(module, "_MOST_IDENTITIES", 5)
    policies = admitter("permit(principal, action, resource);")
    for number in range(450):
        # Many tools, then more callers than are remembered, then tools that come to be those of other backends.
        callers, names = ((3, 61), (7, 61), (2, 5))[number // 150]
        identity, tool = who(f"caller-{number % callers}"), entry(Kind.TOOL, f"t{number % names}", f"b{number // 61}")
        assert (await decided(policies, identity, tool)).admits
        subjects = policies._subjects._subjects.values()
        assert sum(len(each.standings) + len(each.met) for each in subjects) == policies._subjects._kept <= 50
        assert max(len(each.met) for each in subjects) <= 20


@pytest.mark.parametrize("name", ["\ud800", 'x" , "y', "\x00", 'Tool::"read"', "\n", "a" * 100_000])
async def test_names_of_all_sorts_are_decided_and_stand_for_no_other(name):
    policies = admitter(
        'permit(principal == Client::"alice", action, resource == Tool::"read");',
        'permit(principal in Group::"?", action, resource);',
        'permit(principal, action, resource) when { resource.name == "?" };',
    )
    assert not (await unknown(policies, who("alice"), name)).admits
    assert not (await decided(policies, who(name, groups=[name]), READ)).admits


async def test_a_uri_longer_than_any_of_a_list_is_denied_and_nobody_looks_into_it(monkeypatch):
    looked = []
    monkeypatch.setattr(asking, "find_ambiguity", lambda uri: looked.append(len(uri)) or "")
    policies = admitter('permit(principal, action, resource) when { resource.uri like "file:///p/*" };')
    template = entry(Kind.TEMPLATE, "file:///{+path}")
    fits = "file:///p/".ljust(LONGEST_NAME, "x")
    assert (await decided(policies, who(), template, name=fits)).admits
    for rest in ("x", "%25" * 100_000):
        refused = await decided(policies, who(), template, name=fits + rest)
        assert (refused.admits, refused.errors) == (False, ())
        assert refused.flaw
        assert not (await unknown(policies, who(), fits + rest, Action.READ_RESOURCE)).admits
    assert set(looked) == {LONGEST_NAME}


@pytest.mark.parametrize("mode", ["array", "members", "within", "behind"])
async def test_arguments_with_more_values_than_policies_judge_by_deny_and_say_so(mode):
    policies = admitter('@id("p") permit(principal, action, resource) when { context.arg_x == 1 };')
    texts = ",".join(["1"] * (MOST_VALUES + 2))
    more = {"array": f'"y":[{texts}]', "within": '"y":"' + r"\",".ljust(MOST_VALUES * 2, ",") + '"'}
    more["behind"] = r'"z":"\"\\",' + more["array"]
    more["members"] = ",".join(f'"y{number}":1' for number in range(MOST_VALUES + 2))
    decision = await decided(policies, who(), READ, b'{"x":1,%b}' % more[mode].encode())
    assert decision.admits == (mode == "within")
    assert decision.errors == (() if mode == "within" else ("p",))
    assert all("10 000" in why for why in decision.why)


@pytest.mark.parametrize("shape", ["array", "members", "nested", "arguments"])
async def test_policies_judge_by_a_thousand_fractions_and_those_that_they_do_not_read_may_be_more(shape):
    policies = admitter(
        '@id("p") permit(principal, action, resource) when { context has arg_x && context has arg_z };',
        '@id("q") forbid(principal, action, resource) when { context.arg_z == 1 };',
    )

    def arguments(count):
        numbers = [number + (0.5 if number % 2 else 1e-4) for number in range(count)]
        match shape:
            case "members":
                return {"x": {f"m{number}": number for number in numbers}, "z": 0}
            case "nested":
                return {"x": [{"a": [number]} for number in numbers], "z": 0}
            case "arguments":
                return {"x": numbers[: count // 2], "z": numbers[count // 2 :]}
        return {"x": numbers, "z": 0, "vector": [0.1] * 4 * MOST_FRACTIONS}

    assert (await decided(policies, who(), READ, arguments(MOST_FRACTIONS))).admits
    refused = await decided(policies, who(), READ, arguments(MOST_FRACTIONS + 1))
    assert (refused.admits, refused.errors) == (False, ("p", "q"))
    assert all("1 000" in why for why in refused.why)


async def test_policies_judge_by_one_mebibyte_and_what_they_do_not_read_may_be_longer():
    policies = admitter('@id("p") permit(principal, action, resource) when { context.arg_x like "a*" };')
    long = "a" * MOST_BYTES
    assert (await decided(policies, who(), READ, {"x": "a", "content": long})).admits
    refused = await decided(policies, who(), READ, {"x": long})
    assert (refused.admits, refused.errors) == (False, ("p",))
    assert "1 MiB" in refused.why[0]
