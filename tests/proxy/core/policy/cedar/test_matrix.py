"""For random policies, callers, tools and arguments: what Cedar says by itself is what is decided (Z-1, Z-3)."""

import itertools
import json
import re

import msgspec
import pytest
from cedarpy import Decision as Verdict
from cedarpy import is_authorized
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.proxy.core.policy.cedar.helpers import SERVER, a_tool, admitter, decided, entry, shown, who
from tests.support.examples import examples
from vmcp_proxy.core.catalog.uri_template import can_expand_to
from vmcp_proxy.core.policy.questions import ACTION_ON, Prospect, Question, judged_name
from vmcp_proxy.protocol.kinds import Kind

pytestmark = pytest.mark.scenario("Z-1", "Z-3")

TOOLS = [
    a_tool("t", "b", read_only=True),
    a_tool("u", "b", read_only=False, original="t"),
    a_tool("t2", "c", original="own2"),
    entry(Kind.PROMPT, "t", "c", original="own"),
]
RESOURCES = [entry(Kind.RESOURCE, "x://a", "b"), entry(Kind.RESOURCE, "x://b/1", "c")]
TEMPLATES = [entry(Kind.TEMPLATE, "x://{id}", "b"), entry(Kind.TEMPLATE, "y://a/{id}/z", "c")]
URIS = ["x://a", "x://b", "y://a/1/z", "y://a//z"]


def mostly(usual, *others):
    """The usual text in half of all draws."""
    return st.one_of(st.just(usual), st.sampled_from(others))


SCOPES = [
    mostly("principal", 'principal == Client::"alice"', 'principal in Group::"dev"', 'principal in THVGroup::"ops"'),
    mostly(
        "action",
        'action == Action::"call_tool"',
        'action in [Action::"read_resource", Action::"get_prompt"]',
        'action == Action::"list_tools"',
    ),
    mostly(
        "resource",
        'resource == Tool::"t"',
        'resource == Resource::"x://a"',
        'resource in Backend::"b"',
        'resource in MCP::"office"',
        'resource in MCP::"other"',
        "resource is Tool",
        'resource is Resource in Backend::"c"',
    ),
]
ATOMS = st.sampled_from(
    [
        "true",
        "resource.readOnlyHint",
        "resource has readOnlyHint",
        'resource.backend == "b"',
        'resource.name like "t*"',
        'resource.original like "o*"',
        'resource.original == "x://b"',
        "resource.original == resource.name",
        "resource has original",
        'resource.uri like "x://*"',
        'resource.name == "x://b"',
        'resource == Resource::"x://b"',
        '[Tool::"t", Tool::"u"].contains(resource)',
        'resource in [Backend::"b", Resource::"y://a/1/z"]',
        'principal.claim_team == "red"',
        "principal has claim_team",
        "context.claim_level > 2",
        'context has claim_team && context.claim_team == "red"',
        'principal.claim_groups.contains("dev")',
        'context.arg_path like "/open/*"',
        "context has arg_path",
        "resource.arg_count < 3",
        "resource has arg_count",
        "context.arg_count == principal.claim_level",
        "context.arg_flag",
        'context.arg_tags.contains("a")',
        "context has arg_tags_present",
        "context.arg_deep.inner == 1",
        "context has arg_deep.inner",
        "context.arg_path == resource.name",
        "context.arg_count",
        "1 == 1 + 0",
    ]
)
EXPRESSIONS = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["&&", "||"]), inner).map(lambda each: f"(({each[0]}) {each[1]} ({each[2]}))"),
        inner.map(lambda each: f"!({each})"),
        st.tuples(inner, inner, inner).map(lambda each: f"(if ({each[0]}) then ({each[1]}) else ({each[2]}))"),
    ),
    max_leaves=4,
)
CLAUSES = st.lists(
    st.tuples(st.sampled_from(["when", "unless"]), EXPRESSIONS).map(lambda each: f"{each[0]} {{ {each[1]} }}"),
    max_size=2,
).map(" ".join)
POLICY = st.tuples(st.sampled_from(["permit", "permit", "forbid"]), *SCOPES, CLAUSES).map(
    lambda each: f"{each[0]}({each[1]}, {each[2]}, {each[3]}) {each[4]};"
)
POLICIES = st.lists(POLICY, min_size=1, max_size=4)
IDENTITIES = [
    who("alice", groups=["dev"], team="red", level=3),
    who("alice", groups=["dev", "ops"], team=3),
    who("bob", groups=["ops"], level=1),
    who("bob"),
]
CALLS = [
    None,
    {},
    {"path": "/open/a", "count": 1, "flag": True, "tags": ["a"], "deep": {"inner": 1}},
    {"path": "/etc", "count": 3, "flag": False, "tags": ["b"], "deep": {}},
    {"path": "t", "count": 5, "other": 1},
    {"path": "/open/a"},
    {"count": 3},
    {"flag": True},
    {"flag": False},
    {"tags": []},
    {"deep": {"inner": 2}},
]


def by_cedar(policies, identity, capability, arguments, name):
    """Cedar asked directly, with the whole request, as the documentation says that it is."""
    kind, action, operation = {
        Kind.TOOL: ("Tool", "call_tool", "call"),
        Kind.PROMPT: ("Prompt", "get_prompt", "get"),
        Kind.RESOURCE: ("Resource", "read_resource", "read"),
        Kind.TEMPLATE: ("Resource", "read_resource", "read"),
    }[capability.kind]
    claims = {f"claim_{key}": value for key, value in identity.claims.items()}
    given = {f"arg_{key}": value for key, value in (arguments or {}).items()}
    given |= {f"arg_{key}_present": True for key, value in (arguments or {}).items() if isinstance(value, list | dict)}
    hints = {} if capability.annotations.read_only is None else {"readOnlyHint": capability.annotations.read_only}
    uri = {"uri": name} if kind == "Resource" else {}
    original = name if kind == "Resource" else capability.original
    attributes = {"name": name, "original": original, "backend": capability.backend}
    attributes |= {"operation": operation, "feature": kind.lower()}
    uid = {"type": "Client", "id": identity.subject}
    groups = [
        {"type": each, "id": group} for group in identity.claims.get("groups", ()) for each in ("Group", "THVGroup")
    ]
    parents = [{"type": "MCP", "id": SERVER}, {"type": "Backend", "id": capability.backend}]
    thing = {"type": kind, "id": name}
    entities = [
        {"uid": uid, "attrs": claims, "parents": groups},
        {"uid": thing, "attrs": {**attributes, **uri, **hints, **given}, "parents": parents},
    ]
    request = {"principal": uid, "action": {"type": "Action", "id": action}, "resource": thing}
    answer = is_authorized({**request, "context": {**claims, **given}}, "\n".join(policies), entities)
    errors = {each for text in answer.diagnostics.errors for each in re.findall(r"policy `(\w+)`", text)}
    return answer.decision is Verdict.Allow, set(answer.diagnostics.reasons), errors


@settings(max_examples=examples(60), deadline=None)
@given(POLICIES)
@example(["permit(principal, action, resource) when { context.arg_flag || true };"])
@example(["permit(principal, action, resource) unless { context has arg_path };"])
async def test_a_call_is_allowed_where_cedar_says_so_and_no_policy_failed_and_a_list_hides_none_of_them(policies):
    ours = admitter(*policies)
    for identity, capability in itertools.product(IDENTITIES, TOOLS):
        listed = shown(ours, identity, capability)
        for arguments in CALLS:
            decision = await decided(ours, identity, capability, arguments)
            allowed, reasons, errors = by_cedar(policies, identity, capability, arguments, capability.exposed)
            assert (decision.outcome == "allow") == (allowed and not errors)
            assert set(decision.errors) == errors
            assert errors or set(decision.policies) == reasons
            assert listed or decision.outcome == "deny"
            if "arg_" not in "".join(policies):
                assert (decision.outcome == "allow") == bool(listed)


@settings(max_examples=examples(100), deadline=None)
@given(POLICIES)
@example(['permit(principal, action, resource == Resource::"x://b");'])
@example(['permit(principal, action, resource) when { resource in [Backend::"d", Resource::"y://a/1/z"] };'])
@example(['permit(principal, action, resource) unless { resource.uri like "x://a" };'])
async def test_resources_and_expansions_of_templates_are_listed_if_they_can_be_read(policies):
    ours = admitter(*policies)
    for identity in IDENTITIES:
        for capability in RESOURCES:
            decision = await decided(ours, identity, capability)
            allowed, _, errors = by_cedar(policies, identity, capability, None, capability.original)
            assert (decision.outcome == "allow") == (allowed and not errors) == bool(shown(ours, identity, capability))
        for template in TEMPLATES:
            listed = shown(ours, identity, template)
            for uri in (each for each in URIS if can_expand_to(template.exposed, each)):
                decision = await decided(ours, identity, template, name=uri)
                allowed, _, errors = by_cedar(policies, identity, template, None, uri)
                assert (decision.outcome == "allow") == (allowed and not errors)
                assert listed or decision.outcome == "deny"


def question_of(identity, capability, known):
    """Whether some call could be admitted of which some arguments are known."""
    arguments = json.dumps(known).encode()
    return Question(identity, ACTION_ON[capability.kind], capability, capability.exposed, arguments, is_open=True)


@settings(max_examples=examples(60), deadline=None)
@given(POLICIES)
@example(['permit(principal, action, resource) when { context.arg_path like "/open/*" && context.arg_count < 3 };'])
@example(['permit(principal, action, resource) when { resource.original like "o*" };'])
@example(["permit(principal, action, resource) when { resource.readOnlyHint };"])
@example(["permit(principal, action, resource); forbid(principal, action, resource) unless { resource.readOnlyHint };"])
@example(['permit(principal, action, resource) when { resource.name == "t" || resource has readOnlyHint };'])
@example(['permit(principal, action, resource) when { [Tool::"t", Tool::"u"].contains(resource) };'])
@example(['permit(principal, action, resource); forbid(principal, action, resource) when { resource.name like "t*" };'])
async def test_what_could_be_permitted_at_a_backend_is_never_less_than_what_is(policies):
    ours = admitter(*policies)
    for identity, capability in itertools.product(IDENTITIES, TOOLS + RESOURCES):
        by_name = Prospect(ACTION_ON[capability.kind], capability.backend, judged_name(capability, capability.exposed))
        beginnings = [msgspec.structs.replace(by_name, name=name, is_beginning=True) for name in (by_name.name[0], "")]
        could = [ours.could(identity, [each]) for each in (by_name, *beginnings)]
        for arguments in CALLS if capability in TOOLS else [None]:
            decision = await decided(ours, identity, capability, arguments)
            assert decision.outcome == "deny" or all(could)
            for known in () if capability is not TOOLS[0] or decision.outcome == "deny" else arguments or ():
                begun = await ours.decide(question_of(identity, capability, {known: arguments[known]}))
                assert begun.outcome == "allow"
        # What is known of a name says no less than that it begins like that.
        assert could == sorted(could)
        assert shown(ours, identity, capability) == [] or all(could)
