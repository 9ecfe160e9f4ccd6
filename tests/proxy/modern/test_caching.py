"""For how long and for whom lists and reads may be kept: never longer, and for no more, than backends say."""

import pytest

from tests.proxy.endpoint.helpers import QUIET, everything
from tests.support.callers import BySubject
from tests.support.eras import Era
from tests.support.modern_backend import ModernBackend
from tests.support.policies import NamePolicy
from tests.support.scene import scene
from tests.support.scripted_backend import text


@pytest.fixture(autouse=True)
def _modern(monkeypatch):
    monkeypatch.setattr("tests.support.eras.current", Era.MODERN)


class AllButWrite(NamePolicy):
    def admits(self, identity, action, capability, name):
        return "write" not in name


async def hints(client, method="tools/list", **params):
    result = await client.result(method, params)
    return result["ttlMs"], result["cacheScope"]


@pytest.mark.scenario("P-2")
async def test_what_is_left_of_the_shortest_time_is_said_and_for_all_where_all_backends_say_so():
    one, two = ModernBackend(ttl=60_000), ModernBackend(ttl=30_000)
    async with scene({"one": one, "two": two}, config=QUIET) as world, world.client() as client:
        left, scope = await hints(client)
        assert 0 < left <= 30_000
        assert scope == "public"
        assert (await hints(client))[0] <= left


@pytest.mark.scenario("P-2")
@pytest.mark.parametrize("other", [everything, lambda: ModernBackend(ttl=0)], ids=["legacy", "no time"])
async def test_one_backend_that_gives_no_time_leaves_none(other):
    async with scene({"one": ModernBackend(), "two": other()}, config=QUIET) as world, world.client() as client:
        assert (await hints(client))[0] == 0


@pytest.mark.scenario("P-2")
async def test_one_private_list_makes_all_private():
    backends = {"one": ModernBackend(), "two": ModernBackend(scope="private")}
    async with scene(backends, config=QUIET) as world, world.client() as client:
        left, scope = await hints(client)
        assert left > 0
        assert scope == "private"


@pytest.mark.scenario("P-2", "Z-1")
async def test_what_is_seen_by_who_asks_is_for_who_asks_alone():
    backends = {"one": ModernBackend()}
    async with scene(backends, config=QUIET, admitter=AllButWrite()) as world, world.client() as client:
        assert (await hints(client))[1] == "private"
    async with scene({"one": ModernBackend()}, config=QUIET) as world:
        with world.inside.authenticated_by(BySubject()):
            world.apply()
            async with world.client(authorization="Bearer alice") as client:
                assert (await hints(client))[1] == "private"


@pytest.mark.scenario("P-2")
async def test_a_resource_may_be_kept_as_long_as_its_backend_says_by_its_reader():
    one = ModernBackend(ttl=5_000, resources=[{"uri": "test://a", "name": "a"}])
    async with scene({"one": one}, config=QUIET) as world, world.client() as client:
        assert await hints(client, "resources/read", uri="test://a") == (5_000, "private")


@pytest.mark.scenario("P-2", "P-4")
@pytest.mark.parametrize(
    "said",
    [b'"ttlMs":60000,"cacheScope":"public"', rb'"ttl\u004ds":60000,"cache\u0053cope":"public","ttlMs":60000'],
    ids=["as it is", "escaped and twice"],
)
async def test_a_backend_of_a_former_revision_does_not_say_how_long_anything_may_be_kept(said):
    one = everything()

    @one.on("resources/read")
    async def read(_call):
        return b'{%b,"contents":[{"uri":"test://a","text":"read"}],"x":1}' % said

    @one.on("tools/list")
    async def lists(_call):
        return b'{%b,"tools":[{"name":"echo","inputSchema":{"type":"object"}}]}' % said

    async with scene({"one": one}, config=QUIET) as world, world.client() as client:
        result = await client.result("resources/read", {"uri": "test://a"})
        assert (result["ttlMs"], result["cacheScope"]) == (0, "private")
        assert (result["contents"], result["x"]) == ([{"uri": "test://a", "text": "read"}], 1)
        assert await hints(client) == (0, "private")


@pytest.mark.scenario("A-12")
async def test_a_member_that_says_nothing_of_keeping_in_a_methods_result_passes_whole():
    one = everything()

    @one.on("tools/call")
    async def answer(_call):
        return text("done", ttlMs=60_000, requestState="its own")

    async with scene({"one": one}, config=QUIET) as world, world.client() as client:
        result = await client.call("one_echo")
        assert (result["ttlMs"], result["requestState"], result["resultType"]) == (60_000, "its own", "complete")
