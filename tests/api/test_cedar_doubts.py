"""What policies name and nothing has is told, with what may have been meant; what there is, is not."""

import json
import re
from pathlib import Path

import pytest

from vmcp_api.text.cedar_doubts import find_doubts
from vmcp_api.text.cedar_names import Names
from vmcp_api.text.cedar_text import find_policy_flaw

NAMES = Names(frozenset({"github", "web"}), frozenset({"office"}))
PERMIT = "permit(principal, action, resource)"
ENTITIES = [
    {"uid": {"type": "Client", "id": "bot"}, "attrs": {"tier": 1}, "parents": [{"type": "Team", "id": "red"}]},
    {
        "uid": {"__entity": {"type": "Action", "id": "call_tool"}},
        "attrs": {},
        "parents": [{"type": "Action", "id": "any"}],
    },
    {"uid": {"type": "Tool", "id": "t"}, "attrs": {"level": 2}, "parents": [{"type": "Backend", "id": "told"}]},
]


def scoped(principal="", action="", resource=""):
    return f"permit(principal {principal}, action {action}, resource {resource});"


def when(condition):
    return f"{PERMIT} when {{ {condition} }};"


def said(policy, entities="[]", names=NAMES):
    assert find_policy_flaw(policy) is None
    return [(each.message.partition(": policy ")[2], each.remedy) for each in find_doubts([policy], entities, names)]


@pytest.mark.parametrize(
    ("policy", "message", "remedy"),
    [
        (scoped(action='== Action::"call_tools"'), 'names Action::"call_tools"', "did you mean 'call_tool'?"),
        (scoped(action='in [Action::"call_tool", Action::"read"]'), 'names Action::"read"', "call_tool"),
        (when('action == Action::"Call_Tool"'), 'names Action::"Call_Tool"', "did you mean 'call_tool'?"),
        (scoped(principal="is User"), "names the type User", "Client"),
        (scoped(principal='== Clients::"a"'), "names the type Clients", "did you mean 'Client'?"),
        (scoped(principal='in My::Group::"a"'), "names the type My::Group", "Group"),
        (scoped(resource='in Backend::"gihub"'), 'names Backend::"gihub"', "did you mean 'github'?"),
        (when('resource in [Backend::"web", Backend::"x"]'), 'names Backend::"x"', "known backends: github, web"),
        (when('resource.backend == "Github"'), "compares resource.backend with 'Github'", "'github'?"),
        (when('["web", "wb"].contains(resource.backend)'), "compares resource.backend with 'wb'", "'web'?"),
        (scoped(resource='in MCP::"ofice"'), 'names MCP::"ofice"', "did you mean 'office'?"),
        (when("resource.readOnly"), "reads resource.readOnly", "did you mean 'readOnlyHint'?"),
        (when("resource has original_name"), "reads resource.original_name", "'original'?"),
        (when('context.team == "a"'), "reads context.team", "context.claim_team"),
        (when('principal.groups.contains("a")'), "reads principal.groups", "principal in Group::"),
        (when('action.name == "a"'), "reads action.name", "operation"),
        (scoped(principal='== Group::"dev"'), 'compares principal with Group::"dev"', "write principal in Group"),
        (scoped(resource='== Backend::"web"'), "compares resource with Backend", "write resource in Backend"),
        (when('Group::"dev" == principal'), 'compares principal with Group::"dev"', "write principal in"),
        (scoped(resource="is Backend"), "asks whether resource is Backend", "Prompt, Resource, Tool"),
        (scoped(principal='in Tool::"t"'), 'is in Tool::"t"', "Client, Group, THVGroup"),
        (scoped(resource='in Group::"g"'), 'is in Group::"g"', "Backend, MCP"),
        (scoped(action='== Action::"call_tool"', resource="is Prompt"), "is about a Prompt", "get_prompt"),
        (scoped(action='== Action::"read_resource"', resource='== Tool::"t"'), "is about a Tool", "call_tool"),
    ],
)
def test_what_nothing_has_is_told_with_what_may_have_been_meant(policy, message, remedy):
    ((found, advice),) = said(policy)
    assert message in found
    assert remedy in advice


@pytest.mark.parametrize(
    "policy",
    [
        'permit(principal in THVGroup::"a", action == Action::"list_tools", resource in MCP::"office");',
        'permit(principal == Client::"x", action, resource in Backend::"github");',
        PERMIT
        + ' when { principal has claim_x && context.claimset_y.contains("z") && resource.arg_a && context.arg_b };',
        PERMIT + ' when { resource.original like "*" && resource.uri == "" && resource.feature == action.operation };',
        PERMIT + ' when { context.arg_x.readOnly == {"team": 1}.team && resource.backend == resource.name };',
        'permit(principal, action in [Action::"call_tool", Action::"get_prompt"], resource is Prompt);',
    ],
)
def test_what_there_is_is_not_told(policy):
    assert said(policy) == []


def test_what_entities_tell_of_is_there():
    policy = """permit(principal in Team::"red", action in [Action::"any"], resource in Backend::"told")
        when { principal.tier == 1 && resource.level == 2 && principal in Team::"blue" };"""
    assert len(said(policy)) == 5
    assert said(policy, json.dumps(ENTITIES)) == []


def test_where_there_may_be_others_only_a_slip_is_told_and_without_names_nothing():
    policy = 'permit(principal, action, resource) when { resource in [Backend::"gihub", Backend::"crm", MCP::"x"] };'
    assert len(said(policy)) == 3
    some = Names(frozenset({"github"}), frozenset({"office"}), is_whole=False)
    assert [message for message, _ in said(policy, names=some)] == [
        "'policy0': names Backend::\"gihub\", and there is no such backend"
    ]
    assert said(policy, names=Names()) == []


def test_two_policies_of_one_id_are_told_and_each_by_its_text_and_line():
    texts = [
        '@id("a")\n' + PERMIT + ";",
        "\n// more\n" + PERMIT + ';\n@id("a") forbid(principal, action, resource);',
        '@id("policy1") ' + PERMIT + ";",
    ]
    found = find_doubts(texts, "[]", NAMES)
    assert [(each.text, each.line) for each in found] == [(1, 4), (2, 1)]
    assert "line 4: policy 'a': the id 'a' stands at a policy before it too" in found[0].message
    assert "'policy1'" in found[1].message


def test_the_policies_of_the_documentation_name_nothing_that_there_is_not():
    page = (Path(__file__).parents[2] / "docs/how-to/policies.md").read_text()
    blocks = re.findall(r"```cedar\n(.*?)```", page, re.DOTALL)
    assert blocks
    assert find_doubts(blocks, "[]", Names()) == ()
