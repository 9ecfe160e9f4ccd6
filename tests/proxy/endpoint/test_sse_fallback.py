"""A URL whose transport nobody has written down, and one whose transport is another than is written."""

import contextlib

import pytest

from tests.proxy.endpoint.helpers import QUIET
from tests.support.odd_server import Odd, OddServer, Says
from tests.support.old_server import OldServer
from tests.support.scene import scene


class Old(OldServer):
    """Refuses POSTs to where its stream is."""

    def __init__(self, status, **more):
        super().__init__(**more)
        self.status = status
        self.on_post = self.refuse_or_accept

    @property
    def port(self):
        return self.server.port

    @contextlib.asynccontextmanager
    async def running(self):
        async with self.server.running():
            yield self

    async def refuse_or_accept(self, asked):
        if not asked.target.startswith("/messages"):
            await asked.status(self.status, b"no")
        else:
            await self.accept(asked)


@pytest.mark.scenario("B-11")
@pytest.mark.parametrize("status", [400, 404, 405, 406, 415, 422])
async def test_where_no_type_is_written_a_server_of_the_first_transport_is_served_too(status):
    old = Old(status)
    async with (
        scene({"one": old}, more={"one": {"sseFallback": True}}, config=QUIET) as world,
        world.session() as client,
    ):
        assert await client.names() == ["one_echo"]
        answer = await client.call("one_echo")
        assert answer["content"][0]["text"] == "echo"
        # Once it is known, the other one is not tried again; the proxy's own session asks for the modern one.
        posted = [each.method for each in old.server.of("POST") if each.target == "/mcp"]
        assert posted == ["server/discover", "initialize"]


@pytest.mark.scenario("B-11")
@pytest.mark.parametrize("status", [401, 403, 429, 500, 503])
async def test_refusals_that_say_nothing_of_the_transport_bring_no_other_one_about(status):
    old = Old(status)
    async with (
        scene({"one": old}, more={"one": {"sseFallback": True}}, config=QUIET) as world,
        world.session() as client,
    ):
        assert await client.names() == []
        assert not old.server.of("GET")


@pytest.mark.scenario("B-11")
async def test_where_streamable_http_is_written_the_message_says_that_sse_may_be_meant():
    old = Old(405)
    async with scene({"one": old}, config=QUIET) as world:
        world.config["backends"][0]["url"] = f"http://127.0.0.1:{old.port}/sse"
        world.apply()
        async with world.session() as client:
            assert await client.names() == []
        (state,) = (await world.status())["backends"]
    said = "HTTP status 405, POST /sse, it said 'no'; correct the path of its URL, or its transport may be sse"
    assert said in state["message"]


@pytest.mark.scenario("B-11")
async def test_where_sse_is_written_the_message_says_that_streamable_http_may_be_meant():
    server = OddServer(Odd(get=Says(405, b"no")))
    async with scene({"one": server}, more={"one": {"transport": "sse"}}, config=QUIET) as world:
        async with world.session() as client:
            assert await client.names() == []
        (state,) = (await world.status())["backends"]
    assert "GET /mcp, it said 'no'; correct the path" in state["message"]
    assert "its transport may be streamable-http" in state["message"]
