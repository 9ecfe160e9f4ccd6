"""Policies can go by what a backend itself calls its tools, whatever clients see (`resource.original`)."""

import pytest

from tests.proxy.core.policy.cedar.helpers import a_tool, admitter, decided, entry, shown, unknown, who
from vmcp_proxy.protocol.kinds import Kind

pytestmark = pytest.mark.scenario("Z-3")

ALICE = who("alice")
EVERYTHING = "permit(principal, action, resource);"


async def test_a_name_that_was_shortened_or_prefixed_escapes_no_pattern_on_the_backends_own_name():
    guard = 'forbid(principal, action, resource) when { resource.original like "*delete*" };'
    policies = admitter(EVERYTHING, f'@id("guard") {guard}')
    for exposed in ("github_very_long_name_that_ends_in_a_hash_1f3a", "gh_dele~te", "anything"):
        for thing in (a_tool(exposed, original="delete_repo"), entry(Kind.PROMPT, exposed, original="how_to_delete")):
            assert shown(policies, ALICE, thing) == []
            assert (await decided(policies, ALICE, thing, {})).policies == ("guard",)
    # What clients call it says nothing here, and what nothing bears is told apart by the name that was asked for.
    assert (await decided(policies, ALICE, a_tool("delete_nothing", original="read"))).admits
    assert (await unknown(policies, ALICE, "delete_it")).errors == ()
    assert not (await unknown(policies, ALICE, "delete_it")).admits
    for uri in ("x://delete/1", "x://keep/1"):
        template = entry(Kind.TEMPLATE, "x://{+id}")
        assert (await decided(policies, ALICE, template, name=uri)).admits == ("delete" not in uri)
    # Two tools of one exposed name in two sets of overrides are two things, remembered or not.
    for original in ("read", "delete", "read"):
        assert (await decided(policies, ALICE, a_tool("x", original=original))).admits == (original == "read")
