"""Of thousands of entities, a decision is handed those that it can come to, and comes to the same (Z-1)."""

import json

import pytest
from cedarpy import Entities, is_authorized
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.proxy.core.policy.cedar.helpers import SERVER, who
from tests.support.examples import examples
from vmcp_proxy.core.policy.cedar.entities import Thing, World
from vmcp_proxy.core.policy.cedar.hierarchy import Hierarchy, opened_by, uid_of
from vmcp_proxy.core.policy.cedar.policies import read_policies
from vmcp_proxy.core.policy.questions import Action

pytestmark = pytest.mark.scenario("Z-1")

UIDS = [("Client", "alice"), ("Tool", "t"), ("Action", "call_tool"), ("Group", "dev"), ("Backend", "b")]
UIDS += [("MCP", SERVER), ("User", "u"), ("User", "v"), ("Team", "x"), ("Team", "y")]
LITERALS = [f'{kind}::"{name}"' for kind, name in UIDS]
WHOM = ["principal", "resource", "action", "principal.lead", "resource.lead", 'principal.getTag("k")', *LITERALS]


def uid(pair):
    return {"type": pair[0], "id": pair[1]}


def entity(pair, parents=(), lead=None, deep=None, tag=None):
    attrs = {"level": len(parents)}
    attrs |= {} if lead is None else {"lead": {"__entity": uid(lead)}}
    attrs |= {} if deep is None else {"deep": {"all": [{"of": {"__entity": uid(deep)}}]}}
    tags = {} if tag is None else {"k": {"__entity": uid(tag)}}
    return {"uid": uid(pair), "attrs": attrs, "parents": [uid(each) for each in parents], "tags": tags}


@st.composite
def directories(draw):
    """Entities whose parents come later in the list, so that there is no circle; what they hold may be any."""
    own, above = draw(st.permutations(UIDS[:2])), draw(st.permutations(UIDS[3:]))
    order = [*own, *above]
    some = st.none() | st.sampled_from(UIDS)
    directory = []
    for i, pair in enumerate(order):
        parents = draw(st.sets(st.sampled_from(order[i + 1 :]), max_size=3)) if order[i + 1 :] else ()
        if draw(st.booleans()):
            directory.append(entity(pair, sorted(parents), *draw(st.tuples(some, some, some))))
    return directory


conditions = st.one_of(
    st.tuples(st.sampled_from(WHOM), st.sampled_from(["in", "==", "!="]), st.sampled_from(WHOM)).map(" ".join),
    st.tuples(st.sampled_from(WHOM), st.lists(st.sampled_from(LITERALS), max_size=3)).map(
        lambda drawn: f"{drawn[0]} in [{', '.join(drawn[1])}]"
    ),
    st.tuples(st.sampled_from(WHOM), st.sampled_from(LITERALS)).map(lambda drawn: f"{drawn[0]} is User in {drawn[1]}"),
    st.sampled_from(WHOM).map(lambda one: f"{one} has lead && {one}.lead has level && {one}.lead.level > 1"),
    st.sampled_from(WHOM).map(lambda one: f"{one}.level > 0"),
    st.tuples(*[st.sampled_from(WHOM)] * 3).map(
        lambda drawn: f"(if {drawn[0]} in {drawn[1]} then {drawn[1]} else {drawn[2]}) in {drawn[2]}"
    ),
    st.sampled_from(LITERALS).map(lambda one: f"principal.deep.all.contains({{of: {one}}})"),
    st.sampled_from(LITERALS).map(lambda one: f"[{one}].contains(principal.lead)"),
)


def answer(policies, world):
    principal = world.principal(who(groups=["dev"]), policies.reads)
    thing = Thing(Action.CALL_TOOL, "t", "t", "b")
    request = {"principal": uid(UIDS[0]), "resource": uid(UIDS[1]), "action": uid(UIDS[2]), "context": {}}
    said = is_authorized(request, policies.handle, world.entities(principal, thing))
    return said.decision, sorted(said.diagnostics.reasons), sorted(said.diagnostics.errors)


@settings(max_examples=examples(400), deadline=None)
@given(directories(), st.lists(conditions, min_size=1, max_size=3), st.sampled_from(LITERALS))
@example([entity(UIDS[6], [UIDS[8]]), entity(UIDS[8], [UIDS[9]])], ['User::"u" in Team::"y"'], 'Group::"dev"')
@example([entity(UIDS[0], lead=UIDS[6]), entity(UIDS[6], [UIDS[9]])], ['principal.lead in Team::"y"'], 'Group::"dev"')
@example(
    [entity(UIDS[0], tag=UIDS[6]), entity(UIDS[6], [UIDS[9]])], ['principal.getTag("k").level == 1'], 'Group::"dev"'
)
def test_what_can_be_come_to_decides_like_all_that_the_config_tells(directory, written, group):
    texts = [f"permit(principal in {group}, action, resource);"]
    texts += [f"permit(principal, action, resource) when {{ {each} }};" for each in written]
    policies, text = read_policies(texts), json.dumps(directory)
    opened = opened_by(policies.nodes)
    all_of_it = [uid_of(each) for each in directory]
    few, all_told = (World(text, SERVER, ("groups",), named) for named in (opened, all_of_it))
    assert answer(policies, few) == answer(policies, all_told)


def test_a_decision_is_not_handed_the_rest_of_a_directory():
    directory = [entity(("Client", f"u{i}"), [("Group", f"g{i % 7}")]) for i in range(2000)]
    directory += [entity(("Group", f"g{i}"), [("Group", "all")]) for i in range(7)]
    own = {("Client", "u3"): directory[3]}
    text = Hierarchy(directory).around(own, [("Group", "g5"), ("Group", "none")])
    assert sorted(each["uid"]["id"] for each in json.loads(text)) == ["g3", "g5", "u3"]
    assert Entities.from_json_str(text)


@pytest.mark.parametrize(
    ("condition", "opened"),
    [
        ('principal == User::"u"', set()),
        ('principal in [Group::"a", Group::"b"]', set()),
        ('principal is Client in Group::"a"', set()),
        ('User::"u" in Group::"a"', {"u"}),
        ('User::"u".level == principal.level', {"u"}),
        ('[User::"u"].contains(principal)', {"u"}),
        ('(if context.x then User::"u" else User::"v") in Group::"a"', {"u", "v"}),
    ],
)
def test_an_entity_that_a_policy_only_compares_with_is_not_opened(condition, opened):
    policies = read_policies([f'permit(principal in Group::"g", action, resource) when {{ {condition} }};'])
    assert {name for _, name in opened_by(policies.nodes)} == opened
