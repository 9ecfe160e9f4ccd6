"""How many sessions one caller may have, over HTTP."""

import pytest

from tests.proxy.endpoint.helpers import QUIET
from tests.support.raw_client import initialize, until_status
from tests.support.scene import scene
from tests.support.scripted_backend import ScriptedBackend


@pytest.mark.scenario("S-9")
async def test_a_caller_with_all_sessions_it_may_have_is_refused_one_more_and_nobody_else_is():
    backend = ScriptedBackend()
    cap = {"ttl": "1h", "maxSessionsPerIdentity": 2}
    async with (
        scene({"one": backend}, config=QUIET, sessionManagement=cap, passthroughHeaders=["X-Api-Key"]) as world,
        world.session(x_api_key="a") as first,
        world.session(x_api_key="b") as second,
        world.client(x_api_key="c") as third,
    ):
        refused = await third.post(initialize())
        assert refused.status_code == 503
        assert int(refused.headers["retry-after"]) > 0
        assert "mcp-session-id" not in refused.headers
        assert "as many sessions as you may" in refused.json()["error"]["message"]

        # Whoever sends credentials is another caller, with a count of its own.
        async with world.session(authorization="Bearer x") as other:
            assert (await other.call("one_echo"))["content"]
            values = await world.metrics()
            assert (values["vmcp_sessions"], values["vmcp_header_snapshots"]) == (3, 3)
            assert (await third.post(initialize())).status_code == 503

        for client in (first, second):
            assert (await client.call("one_echo"))["content"]
            assert await client.names() == ["one_echo"]

        await first.delete()
        await third.open()
        assert (await third.call("one_echo"))["content"]
        assert (await first.post(initialize())).status_code == 503

        world.apply(sessionManagement={**cap, "maxSessionsPerIdentity": 3})
        await first.open()
        assert (await first.call("one_echo"))["content"]


@pytest.mark.scenario("S-9")
async def test_a_cap_that_is_lowered_below_what_there_is_ends_no_session():
    async with (
        scene({"one": ScriptedBackend()}, config=QUIET, sessionManagement={"ttl": "1h"}) as world,
        world.session() as first,
        world.session() as second,
        world.client() as third,
    ):
        world.apply(sessionManagement={"ttl": "1h", "maxSessionsPerIdentity": 1})
        assert (await third.post(initialize())).status_code == 503
        for client in (first, second):
            assert (await client.call("one_echo"))["content"]
        await first.delete()
        assert (await third.post(initialize())).status_code == 503
        await second.delete()
        await third.open()


@pytest.mark.scenario("S-9", "S-6")
async def test_sessions_that_were_never_used_again_make_room_when_their_time_is_over():
    cap = {"maxSessionsPerIdentity": 1}
    async with (
        scene({"one": ScriptedBackend()}, config=QUIET, sessionManagement=cap) as world,
        world.session(),
        world.client() as next_one,
    ):
        assert (await next_one.post(initialize())).status_code == 503
        world.apply(sessionManagement=cap | {"ttl": "300ms"})
        await until_status(next_one, initialize(), 200)
