"""A call that waits for its client goes on for the token that began it, or for one that says the same (ADR-0061)."""

import pytest

from tests.proxy.endpoint.helpers import QUIET
from tests.proxy.endpoint.test_pausing import ELICITS, go_on
from tests.proxy.endpoint.test_pausing_bounds import asking
from tests.support.callers import ByClaims, token_of
from tests.support.raw_client import RawClient
from tests.support.scene import scene
from vmcp_proxy.protocol.methods import Era

POLICIES = ['permit(principal in Group::"eng", action, resource);']


@pytest.mark.scenario("P-12")
async def test_a_token_that_policies_deny_a_tool_gets_no_result_of_a_call_that_another_one_began(monkeypatch):
    monkeypatch.setattr("tests.support.eras.current", Era.MODERN)
    config = {"authorization": {"policies": POLICIES, "groupClaims": ["groups"]}, "name": "p"}
    async with scene({"one": asking()}, config=QUIET, **config) as world, RawClient(world.url) as client:
        with world.inside.authenticated_by(ByClaims()):
            world.apply()
            client.capabilities = ELICITS
            client.headers = {"Authorization": token_of("ada", groups=["eng"], jti="a")}
            asked = await client.call("one_echo")
            client.headers = {"Authorization": token_of("ada", groups=[], jti="a")}
            assert (await go_on(client, {"inputRequests": {}}))["error"]["code"] == 403
            refused = (await go_on(client, asked))["error"]
            assert (refused["code"], "says other things" in refused["message"]) == (-32602, True)
            client.headers = {"Authorization": token_of("ada", groups=["eng"], jti="b")}
            assert "Ada" in (await go_on(client, asked))["result"]["content"][0]["text"]
