"""What policies could permit at a backend of which nothing is known yet (ADR-0044)."""

import pytest

from tests.proxy.core.policy.cedar.helpers import admitter, who
from vmcp_proxy.core.policy.questions import Action, Prospect

pytestmark = pytest.mark.scenario("Z-2")

DEV, NOBODY = who("alice", groups=["dev"]), who("bob")
ANY_TOOL = Prospect(Action.CALL_TOOL, "b", "b_", is_beginning=True)
ANY_PROMPT = Prospect(Action.GET_PROMPT, "b", "", is_beginning=True)
ANY_READ = Prospect(Action.READ_RESOURCE, "b", "", is_beginning=True)
OF_DEV = 'permit(principal in Group::"dev", action, resource in Backend::"b");'
TOLD = """[
  {"uid": {"type": "Tool", "id": "b_t"}, "attrs": {"owner": "red"}, "parents": [{"type": "Zone", "id": "z"}]},
  {"uid": {"type": "Client", "id": "alice"}, "parents": [],
   "attrs": {"own": {"__entity": {"type": "Tool", "id": "b_x"}}}}
]"""


@pytest.mark.parametrize(
    ("policies", "prospect", "could"),
    [
        ([OF_DEV], ANY_TOOL, True),
        ([OF_DEV.replace('"b"', '"c"')], ANY_TOOL, False),
        ([OF_DEV.replace("dev", "ops")], ANY_TOOL, False),
        (['permit(principal, action, resource) when { resource.backend == "c" };'], ANY_TOOL, False),
        (['permit(principal, action, resource == Tool::"b_t");'], ANY_TOOL, True),
        (['permit(principal, action, resource == Tool::"c_t");'], ANY_TOOL, False),
        (['permit(principal, action, resource == Tool::"c_t");'], ANY_READ, False),
        (['permit(principal, action, resource == Resource::"x://y");'], ANY_READ, True),
        (['permit(principal, action, resource) when { resource.name like "c_*" };'], ANY_TOOL, False),
        (['permit(principal, action, resource) when { resource.name like "*_t" };'], ANY_TOOL, True),
        (['permit(principal, action, resource == Prompt::"a{b}");'], ANY_PROMPT, True),
        (['permit(principal, action, resource) when { resource.original like "x*" };'], ANY_TOOL, True),
        (['permit(principal, action, resource) when { resource.original == "c_t" };'], ANY_TOOL, True),
        (['permit(principal, action, resource) unless { resource.original like "*" };'], ANY_TOOL, False),
        (['permit(principal, action == Action::"get_prompt", resource);'], ANY_TOOL, False),
        (["permit(principal, action, resource) when { context.arg_x == 1 };"], ANY_TOOL, True),
        (["permit(principal, action, resource) when { resource.readOnlyHint };"], ANY_TOOL, True),
        (["permit(principal, action, resource) unless { resource has readOnlyHint };"], ANY_TOOL, True),
        (["permit(principal, action, resource) when { principal.claim_none == 1 };"], ANY_TOOL, False),
        ([OF_DEV, 'forbid(principal, action, resource in Backend::"b");'], ANY_TOOL, False),
        ([OF_DEV, 'forbid(principal, action, resource) when { resource.name like "b_*" };'], ANY_TOOL, False),
        ([OF_DEV, 'forbid(principal, action, resource) when { resource.name like "b_t*" };'], ANY_TOOL, True),
        ([OF_DEV, "forbid(principal, action, resource) when { resource.readOnlyHint };"], ANY_TOOL, True),
        (['permit(principal, action, resource) when { resource.owner == "red" };'], ANY_TOOL, True),
        (['permit(principal, action, resource in Zone::"z");'], ANY_TOOL, True),
        (["permit(principal, action, resource) when { principal.own.readOnlyHint };"], ANY_TOOL, True),
    ],
)
def test_a_backend_is_asked_for_a_caller_where_something_there_could_be_permitted(policies, prospect, could):
    assert admitter(*policies, entities=TOLD).could(DEV, [prospect]) is could


def test_claims_of_another_token_of_the_same_caller_are_another_question():
    ours = admitter(OF_DEV)
    for identity, could in ((DEV, True), (who("alice"), False), (DEV, True), (NOBODY, False)):
        assert ours.could(identity, [ANY_TOOL]) is could


@pytest.mark.parametrize("names", ["", ' when { resource.name like "*" }'])
def test_names_that_callers_choose_fill_no_memory(names):
    ours = admitter(f"permit(principal, action, resource){names};")
    for number in range(100):
        assert ours.could(DEV, [Prospect(Action.CALL_TOOL, "b", f"b_{number}")])
    assert sum(len(each.prospects) for each in ours._subjects._subjects.values()) <= 1
