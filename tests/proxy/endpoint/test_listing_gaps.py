"""A backend that goes away between two of its lists: what it did not tell is asked for again."""

import asyncio
from types import SimpleNamespace

import pytest

from tests.support.scene import scene
from tests.support.scripted_backend import Die, ScriptedBackend, Status, tool
from vmcp_api.spec.operational import Operational
from vmcp_proxy.backends.errors import BackendError, Category
from vmcp_proxy.core.listings.reader import fetch_listing
from vmcp_proxy.core.members.member import Bounds


@pytest.mark.scenario("A-10")
@pytest.mark.parametrize("end", [Die(), Status(502)], ids=["connection", "gateway"])
async def test_a_list_that_was_cut_off_once_is_whole_soon_although_the_backend_is_healthy(end):
    backend = ScriptedBackend(tools=[tool("a")], prompts=[{"name": "p"}])
    ends = [end, end, end]

    @backend.on("tools/list")
    async def dying(call):
        if ends:
            raise ends.pop()
        return {"tools": backend.tools}

    async with scene({"one": backend}) as world, world.session() as client:
        assert await client.names("prompts") == ["one_p"]

        async def is_whole():
            return await client.names() == ["one_a"]

        async with asyncio.timeout(45):
            while not await is_whole():  # noqa: ASYNC110 - the next look has no event
                await asyncio.sleep(0.1)
        # Whole now: it is not read again and again.
        (status,) = (await world.status())["backends"]
        assert (status["status"], status["message"], status["tools"]) == ("healthy", "", 1)


class Away:
    """A link to a backend that answers one list and is gone."""

    def __init__(self, category):
        self.backend = SimpleNamespace(name="one")
        self.category = category

    async def opened(self, _credentials, _deadline):
        return SimpleNamespace(hello=SimpleNamespace(version="2025-11-25", offers={"tools", "prompts"}))

    async def request(self, method, *_rest):
        if method == "prompts/list":
            return SimpleNamespace(result=b'{"prompts":[{"name":"p"}]}')
        raise BackendError("one", self.category)


async def fetched(category):
    return await fetch_listing("one", Away(category), None, Bounds(Operational()))


@pytest.mark.parametrize("category", [Category.UNREACHABLE, Category.NOT_RUNNING, Category.CIRCUIT_OPEN])
async def test_a_backend_that_is_gone_before_all_lists_are_read_has_told_nothing(category):
    with pytest.raises(BackendError) as gone:
        await fetched(category)
    assert gone.value.category is category


@pytest.mark.parametrize(
    ("category", "is_passing"), [(Category.FAILED, True), (Category.TIMEOUT, True), (Category.REFUSED, False)]
)
async def test_one_list_that_fails_leaves_the_others_and_is_asked_again_where_that_may_help(category, is_passing):
    listing = await fetched(category)
    assert [each.name for each in listing.prompts] == ["p"]
    assert listing.is_passing is is_passing
