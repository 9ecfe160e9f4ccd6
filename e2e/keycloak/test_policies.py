"""Cedar policies over the groups and roles of Keycloak's users."""

import pytest

from e2e.keycloak.gateways import bearer, oidc
from tests.support.scene import scene
from tests.support.scripted_backend import ScriptedBackend, tool

BY_GROUP = """
@id("engineers-build")
permit(principal in Group::"engineering", action == Action::"call_tool", resource == Tool::"shop_build");
@id("sellers-sell")
permit(principal in Group::"sales", action == Action::"call_tool", resource == Tool::"shop_sell");
@id("all-list")
permit(principal, action, resource == Tool::"shop_list");
"""

BY_ROLE = """
permit(principal in Group::"reader", action == Action::"call_tool", resource);
"""


def shop():
    return ScriptedBackend(tools=[tool("build"), tool("sell"), tool("list")])


@pytest.mark.scenario("Z-1")
async def test_two_users_see_and_call_what_their_groups_may_at_the_same_endpoint(realm):
    policies = {"policies": [BY_GROUP], "groupClaims": ["groups"]}
    async with (
        scene({"shop": shop()}, incomingAuth=oidc(realm), authorization=policies) as world,
        world.session(**bearer(realm.token("alice"))) as alice,
        world.session(**bearer(realm.token("bob"))) as bob,
    ):
        for _ in range(2):
            assert await alice.names() == ["shop_build", "shop_list"]
            assert await bob.names() == ["shop_list", "shop_sell"]
        assert (await alice.call("shop_build"))["content"]
        assert (await bob.call("shop_sell"))["content"]
        for client, name in ((alice, "shop_sell"), (bob, "shop_build"), (bob, "shop_unknown")):
            denied = await client.post(
                {"jsonrpc": "2.0", "id": 9, "method": "tools/call", "params": {"name": name, "arguments": {}}}
            )
            assert (denied.status_code, denied.json()["error"]["code"]) == (200, 403)


@pytest.mark.scenario("Z-1")
async def test_realm_roles_are_groups_by_their_path_and_composite_ones_count(realm):
    policies = {"policies": [BY_ROLE], "groupClaims": ["realm_access.roles"]}
    async with (
        scene({"shop": shop()}, incomingAuth=oidc(realm), authorization=policies) as world,
        world.session(**bearer(realm.token("alice"))) as alice,
        world.session(**bearer(realm.token("bob"))) as bob,
    ):
        assert len(await alice.names()) == 3
        assert await bob.names() == []
