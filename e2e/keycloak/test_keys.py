"""Keys of Keycloak that change while the proxy runs."""

import pytest

from e2e.keycloak.gateways import bearer, oidc
from tests.support.scene import scene
from tests.support.scripted_backend import ScriptedBackend


@pytest.mark.scenario("I-3")
async def test_tokens_of_a_new_key_are_good_at_once_and_those_of_the_old_one_still(realm):
    old = realm.token("alice")
    async with scene({"one": ScriptedBackend()}, incomingAuth=oidc(realm)) as world:
        async with world.session(**bearer(old)) as client:
            realm.rotate()
            async with world.session(**bearer(realm.token("bob"))) as newer:
                assert await newer.names() == ["one_echo"]
            assert await client.names() == ["one_echo"]
        async with world.session(**bearer(realm.token("alice"))) as client:
            assert (await client.call("one_echo"))["content"]
