"""What policies can say, and what becomes of what they cannot judge by."""

import json
import sys
from dataclasses import replace

import pytest

from tests.proxy.core.policy.cedar.helpers import a_tool, admitter, decided, entry, shown, unknown, who
from vmcp_api.secret import SecretBytes
from vmcp_api.spec.authorization import PolicyMode
from vmcp_api.text.cedar_text import find_policy_flaw
from vmcp_proxy.auth.decision import Decision
from vmcp_proxy.core.policy.cedar import evaluation as module
from vmcp_proxy.core.policy.cedar.policies import PolicyError
from vmcp_proxy.protocol.kinds import Kind

pytestmark = pytest.mark.scenario("Z-3")

ALICE = who("alice", groups=["dev"], email="alice@example.com", level=3)
BOB = who("bob")
READ = a_tool("read", read_only=True)
WRITE = a_tool("write", read_only=False)
CALLS = 'permit(principal, action == Action::"call_tool", resource)'


@pytest.mark.parametrize(
    ("claims", "named"),
    [
        ({"groups": ["x", "dev"]}, ("groups",)),
        ({"groups": "dev"}, ("groups",)),
        ({"hd": "dev"}, ("groups", "hd")),
        ({"scope": "x dev"}, ("scope",)),
        ({"scp": "x dev"}, ("groups", "scp")),
        ({"realm_access": {"roles": ["dev"]}}, ("realm_access.roles",)),
        ({"https://example.com/groups": ["dev"]}, ("https://example.com/groups",)),
        ({"cognito:groups": ["dev"]}, ("groups", "cognito:groups")),
        ({"groups": ["x"], "roles": ["dev"]}, ("groups", "roles")),
        ({"groups": [1, None, {"a": 1}, "dev"]}, ("groups",)),
    ],
)
@pytest.mark.parametrize("kind", ["Group", "THVGroup"])
async def test_the_groups_of_a_token_are_parents_of_the_principal(claims, named, kind):
    policies = admitter(f'permit(principal in {kind}::"dev", action, resource);', group_claims=named)
    assert (await decided(policies, who("a", **claims), READ)).admits
    assert not (await decided(policies, who("a", **{key: ["other"] for key in claims}), READ)).admits


@pytest.mark.parametrize(
    "claims",
    [
        {},
        {"groups": {"dev": 1}},
        {"groups": 3},
        {"groups": None},
        {"roles": ["dev"]},
        # One group, whatever its name holds: nobody is in another one by a name with a blank or a comma in it.
        {"groups": "sales dev"},
        {"groups": "sales,dev"},
        {"groups": "sales, dev"},
        {"groups": ["sales dev", "sales,dev", ""]},
        {"groups": ""},
    ],
)
async def test_other_claims_make_no_groups(claims):
    policies = admitter('permit(principal in Group::"dev", action, resource);', group_claims=("groups", "a.b.c"))
    assert not (await decided(policies, who("a", **claims), READ)).admits


@pytest.mark.parametrize(
    "condition",
    [
        'principal.claim_email like "*@example.com"',
        'context.claim_email == "alice@example.com"',
        "principal.claim_level > 2",
        'principal.claim_groups.contains("dev")',
        'principal.claimset_groups.contains("dev")',
        "resource.readOnlyHint",
        'resource.name == "read"',
        'resource.backend == "b"',
        'resource.operation == "call" && resource.feature == "tool"',
        'action.operation == "call_tool"',
        'context.arg_path like "/open/*"',
        'resource.arg_path like "/open/*"',
        'resource["arg_path"] like "/open/*"',
        "context.arg_n == 3",
        'context.arg_f.lessThan(decimal("2.6"))',
        'context.arg_list.contains("a") && context.arg_list.contains(1)',
        "context has arg_list_present",
        'context.arg_deep.inner.most == "x"',
        "context has arg_deep.inner.most",
        "!(context has arg_missing)",
    ],
)
async def test_policies_judge_by_claims_hints_names_and_arguments(condition):
    policies = admitter(f"permit(principal, action, resource) when {{ {condition} }};")
    given = {"path": "/open/1", "n": 3, "f": 2.5, "list": ["a", 1], "deep": {"inner": {"most": "x"}}}
    assert await decided(policies, ALICE, READ, given) == Decision(admits=True, policies=("policy0",))
    assert shown(policies, ALICE, READ) == ["read"]


@pytest.mark.parametrize(
    "text",
    [
        # Written as the documentation of ToolHive writes them.
        'permit(principal == Client::"alice", action == Action::"call_tool", resource);',
        'permit(principal, action == Action::"call_tool", resource) when { principal.claim_groups.contains("dev") };',
        'permit(principal in THVGroup::"dev", action, resource in MCP::"office");',
        CALLS + ' when { resource.arg_operation == "add" || resource.arg_operation == "subtract" };',
        CALLS + ' when { context.arg_operation == "add" && principal.claim_email == "alice@example.com" };',
        CALLS + " when { resource has readOnlyHint && resource.readOnlyHint == true };",
    ],
)
async def test_policies_of_toolhive_run_unchanged(text):
    assert (await decided(admitter(text), ALICE, READ, {"operation": "add"})).admits


async def test_ids_are_those_of_the_annotation_and_else_counted_over_all_texts():
    policies = admitter(
        '@id("readers") permit(principal, action, resource == Tool::"read");\n' + CALLS + ";",
        'forbid(principal, action, resource == Tool::"write");',
    )
    assert policies.ids == ["readers", "policy1", "policy2"]
    assert (await decided(policies, BOB, READ)).policies == ("readers", "policy1")
    assert await decided(policies, BOB, WRITE) == Decision(admits=False, policies=("policy2",))
    assert (await unknown(policies, BOB, "nothing")).policies == ("policy1",)


async def test_default_is_to_deny_and_a_forbid_wins():
    policies = admitter(
        CALLS + ' when { resource.name == "read" };', 'forbid(principal == Client::"bob", action, resource);'
    )
    assert (await decided(policies, ALICE, READ)).admits
    assert await decided(policies, ALICE, WRITE) == Decision(admits=False)
    assert not (await decided(policies, BOB, READ)).admits
    assert shown(policies, ALICE, READ, WRITE) == ["read"]
    assert shown(policies, BOB, READ, WRITE) == []


@pytest.mark.parametrize(
    ("policy", "failed"),
    [
        ('@id("odd") permit(principal, action, resource) when { principal.claim_nothing == 1 };', ("odd",)),
        ("forbid(principal, action, resource) when { resource.nothing };", ("policy1",)),
        ("forbid(principal, action, resource) when { principal.claim_email > 3 };", ("policy1",)),
        ("forbid(principal, action, resource) when { context.arg_n > 3 };", ("policy1",)),
        ('forbid(principal, action, resource) when { ip("x").isLoopback() };', ("policy1",)),
    ],
)
async def test_a_policy_that_fails_denies_although_cedar_would_pass_it_over(policy, failed):
    decision = await decided(admitter(CALLS + ";", policy), ALICE, READ, {"n": "text"})
    assert (decision.outcome, decision.errors) == ("deny", failed)


@pytest.mark.parametrize(
    "value",
    ["null", "1e400", "0.00001", "[null]", '{"__entity": {"type": "Group", "id": "dev"}}', '"\\ud800"'],
)
async def test_an_argument_that_cedar_cannot_hold_denies_where_a_policy_reads_it_and_counts_nowhere_else(value):
    policies = admitter(
        CALLS + ";",
        '@id("guard") forbid(principal, action, resource == Tool::"write")'
        " when { context has arg_x && context.arg_x == 1 };",
    )
    raw = b'{"x": %b}' % value.encode()
    decision = await decided(policies, ALICE, WRITE, raw)
    assert (decision.admits, decision.errors) == (False, ("guard",))
    assert (await decided(policies, ALICE, READ, raw)).admits
    assert (await decided(policies, ALICE, WRITE, b'{"y": %b}' % value.encode())).admits


async def test_an_argument_is_no_entity_whatever_it_looks_like():
    policies = admitter('permit(principal, action, resource) when { context.arg_who in Group::"dev" };')
    posed = {"who": {"__entity": {"type": "Group", "id": "dev"}}}
    assert not (await decided(policies, ALICE, READ, posed)).admits
    claimed = who("eve", who={"__entity": {"type": "Group", "id": "dev"}})
    policies = admitter('permit(principal, action, resource) when { principal.claim_who in Group::"dev" };')
    assert (await decided(policies, claimed, READ)).errors == ("policy0",)


@pytest.mark.parametrize("atom", ["context.arg_a", "resource.readOnlyHint", 'resource.name == "x"'])
async def test_what_is_nested_as_deeply_as_can_be_is_refused_or_can_be_decided_by(atom):
    texts = [
        "permit(principal, action, resource) when { " + " || ".join([f"({atom} && true)"] * count) + " };"
        for count in range(80, 100)
    ]
    sound = [text for text in texts if find_policy_flaw(text) is None]
    assert 0 < len(sound) < len(texts)
    # What validation lets pass can be decided by, at its deepest too.
    policies = admitter(sound[-1])
    for identity, capability in ((ALICE, READ), (BOB, entry(Kind.TEMPLATE, "x://{a}"))):
        await decided(policies, identity, capability, {"a": False})
        assert len(shown(policies, identity, capability)) <= 1


async def test_a_claim_that_cedar_cannot_hold_denies_and_one_that_is_null_is_absent():
    policies = admitter(CALLS + ";", "forbid(principal, action, resource) when { principal has claim_x };")
    assert (await decided(policies, who("a", x=None), READ)).admits
    assert (await decided(policies, who("a", y=10**30), READ)).admits
    odd = who("a", x=10**30)
    assert (await decided(policies, odd, READ)).errors == ("policy1",)
    assert shown(policies, odd, READ) == []


@pytest.mark.parametrize(
    "text", ['context == {"arg_n": 3, "claim_level": 3}', '{"a": context} == {"a": {"arg_n": 3, "claim_level": 3}}']
)
async def test_a_context_that_is_read_as_a_whole_is_whole(text):
    policies = admitter(f"permit(principal, action, resource) when {{ {text} }};")
    identity = who("a", level=3)
    assert (await decided(policies, identity, READ, {"n": 3})).admits
    assert not (await decided(policies, identity, READ, {"n": 3, "other": 1})).admits
    assert (await decided(policies, identity, READ, {"n": 3, "other": None})).errors == ("policy0",)
    assert shown(policies, identity, READ) == ["read"]


async def test_entities_of_the_config_are_joined_with_those_of_the_request():
    entities = [
        {"uid": {"type": "Group", "id": "dev"}, "attrs": {}, "parents": [{"type": "Org", "id": "acme"}]},
        {"uid": {"type": "Tool", "id": "read"}, "attrs": {"owner": "alice", "name": "posed"}, "parents": []},
        {
            "uid": {"__entity": {"type": "Tool", "id": "write"}},
            "attrs": {},
            "parents": [{"type": "Set", "id": "risky"}],
        },
        {"uid": {"type": "Client", "id": "bob"}, "attrs": {}, "parents": [{"type": "Group", "id": "dev"}]},
    ]
    policies = admitter(
        '@id("org") permit(principal in Org::"acme", action, resource) when { resource.name == "read" };',
        '@id("own") permit(principal, action, resource == Tool::"read")'
        " when { resource.owner == principal.claim_sub };",
        '@id("risky") permit(principal, action, resource in Set::"risky");',
        entities=json.dumps(entities),
    )
    assert (await decided(policies, who("alice", groups=["dev"], sub="alice"), READ)).policies == ("org", "own")
    assert (await decided(policies, who("bob", sub="b"), READ)).policies == ("org",)
    assert (await decided(policies, who("c", sub="c"), WRITE)).policies == ("risky",)
    assert shown(policies, who("c", sub="c"), READ, WRITE) == ["write"]


@pytest.mark.parametrize(
    ("policies", "more", "words"),
    [
        (("permit(principal, action, resource)",), {}, "policies[0]"),
        (("permit(principal, action, resource);", "// nothing"), {}, "policies[1]"),
        (("permit(principal == ?principal, action, resource);",), {}, "template"),
        (("permit(principal, action, resource) when { principal.arg_x == 1 };",), {}, "write context.arg_x"),
        (
            ("permit(principal, action, resource) when { (if true then resource else resource).arg_x };",),
            {},
            "context.arg_x",
        ),
        (("permit(principal, action, resource);",), {"entities": "{}"}, "entitiesJson"),
        (("permit(principal, action, resource);",), {"entities": '[{"uid": "x"}]'}, "entitiesJson"),
    ],
)
def test_what_cannot_be_used_is_refused_with_its_place(policies, more, words):
    with pytest.raises(PolicyError) as refused:
        admitter(*policies, **more)
    assert words in str(refused.value)


@pytest.mark.parametrize(
    ("policy", "listed"),
    [
        ('permit(principal, action, resource) when { resource.uri like "docs://*" };', ["docs://{id}"]),
        ('permit(principal, action, resource == Resource::"docs://7");', ["docs://{id}"]),
        ('permit(principal, action, resource in Backend::"c");', ["secret://{id}"]),
        ('permit(principal, action, resource) unless { resource.name like "secret://*" };', ["docs://{id}"]),
        (
            'permit(principal, action, resource) unless { resource == Resource::"docs://7" };',
            ["docs://{id}", "secret://{id}"],
        ),
        ("permit(principal, action, resource is Tool);", []),
        (
            'permit(principal, action, resource) when { resource in [Resource::"secret://1", Tool::"t"] };',
            ["secret://{id}"],
        ),
        ("permit(principal, action, resource) when { context.arg_x == 1 };", []),
    ],
)
def test_a_template_is_listed_if_some_expansion_could_be_read(policy, listed):
    templates = [entry(Kind.TEMPLATE, "docs://{id}", "b"), entry(Kind.TEMPLATE, "secret://{id}", "c")]
    # What a policy that reads arguments comes to without any is an error: reads have none.
    assert shown(admitter(policy), ALICE, *templates) == listed


async def test_arguments_are_unknown_to_a_list_and_errors_that_are_certain_are_not():
    policies = admitter(CALLS + ' when { context.arg_path like "/open/*" && principal.claim_email == "x" };')
    assert shown(policies, who("a", email="x"), READ) == ["read"]
    assert shown(policies, who("a", email="y"), READ) == []
    policies = admitter(CALLS + " when { context.arg_owner == principal.claim_sub };")
    assert shown(policies, who("a", sub="a"), READ) == ["read"]
    assert shown(policies, who("a"), READ) == []


@pytest.mark.scenario("H-7")
async def test_no_token_is_kept_with_what_is_remembered_of_its_caller():
    policies = admitter('permit(principal in Group::"dev", action, resource) when { context has arg_x };')
    token = SecretBytes(b"canary")
    for number in range(3):
        identity = replace(who(f"a{number}", groups=["dev"]), token=token)
        assert (await decided(policies, identity, READ, {"x": 1})).admits
        assert shown(policies, identity, READ) == ["read"]
    del identity
    assert sys.getrefcount(token) == 2


class Counted:
    def __init__(self, monkeypatch):
        self.count = 0
        self._asked = module.is_authorized
        monkeypatch.setattr(module, "is_authorized", self)

    def __call__(self, *asked):
        self.count += 1
        return self._asked(*asked)


async def test_a_decision_is_remembered_for_the_claims_of_one_token_unless_arguments_count(monkeypatch):
    asked = Counted(monkeypatch)
    policies = admitter(
        'permit(principal in Group::"dev", action, resource == Tool::"read");',
        'permit(principal, action, resource == Tool::"write") when { context.arg_n == 1 };',
    )
    for _ in range(3):
        assert (await decided(policies, ALICE, READ, {"n": 1})).admits
        assert not (await decided(policies, who("alice", groups=[]), READ)).admits
    first = asked.count
    for number in range(5):
        await decided(policies, who("alice", groups=["dev"]), READ, {"n": number})
    assert asked.count - first <= 2
    before = asked.count
    for number in range(5):
        assert (await decided(policies, BOB, WRITE, {"n": number})).admits is (number == 1)
    assert asked.count - before >= 5


async def test_names_that_no_policy_tells_apart_are_one_and_a_list_of_thousands_asks_little(monkeypatch):
    asked = Counted(monkeypatch)
    policies = admitter(
        CALLS + ' when { resource.readOnlyHint && resource.backend == "b" };',
        'permit(principal, action, resource == Tool::"t7");',
    )
    many = [a_tool(f"t{number}", read_only=bool(number % 2), backend="bc"[number % 3 == 0]) for number in range(2000)]
    listed = shown(policies, ALICE, *many)
    assert listed == [
        each.exposed for each in many if each.exposed == "t7" or (each.annotations.read_only and each.backend == "b")
    ]
    assert asked.count < 10
    before = asked.count
    for number in range(100):
        await unknown(policies, ALICE, f"guess{number}")
    assert asked.count - before == 1


async def test_decisions_say_in_which_mode_they_were_taken():
    policies = admitter(CALLS + ";", mode=PolicyMode.SHADOW)
    assert (await decided(policies, ALICE, READ)).mode is PolicyMode.SHADOW
    assert policies.mode is PolicyMode.SHADOW
    assert policies.version != admitter(CALLS + ";").version


async def test_claims_that_python_takes_for_equal_are_decided_apart():
    policies = admitter("permit(principal, action, resource) when { principal has claim_a && principal.claim_a == 1 };")
    for value in (1, True, 1.0, False, 1, 0, [1], [True]):
        decision = await decided(policies, who("alice", a=value), READ)
        assert decision.admits is (type(value) is not bool and value == 1), value
        assert shown(policies, who("alice", a=value), READ) == (["read"] if decision.admits else [])


@pytest.mark.parametrize("name", ["Sales EMEA", "R&D, Admins", "CN=Admins,OU=Groups,DC=example"])
async def test_a_group_whose_name_holds_blanks_or_commas_is_that_group_as_text_and_in_a_list(name):
    policies = admitter(f'permit(principal in Group::"{name}", action, resource);')
    for told in (name, [name], ["other", name]):
        assert (await decided(policies, who("alice", groups=told), READ)).admits
