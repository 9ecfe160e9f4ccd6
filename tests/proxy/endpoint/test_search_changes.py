"""Tool search while configs and lists change."""

import asyncio

import pytest

from tests.proxy.endpoint.test_search import found, searching, shop, tell_changed
from tests.support.raw_client import WAIT_SECONDS
from tests.support.scene import scene
from tests.support.scripted_backend import tool


@pytest.mark.scenario("T-6")
async def test_searches_go_on_through_reloads_and_changes_of_lists():
    backend = shop()
    async with scene({"one": backend}, config=searching()) as world, world.session() as client:
        done = asyncio.Event()

        async def search() -> int:
            number = 0
            while not done.is_set():
                assert (await found(client, "open an issue"))[0] == "one_create_issue"
                number += 1
            return number

        searching_on = [asyncio.create_task(search()) for _ in range(4)]
        for number in range(10):
            backend.tools = [*backend.tools, {**tool(f"new{number}"), "description": "Another one"}]
            await tell_changed(backend)
            world.apply(config=searching(threshold=number + 1))
            # Each change is searched at least once.
            before = len(backend.heard)
            await client.names()
            await found(client, f"new{number}")
            assert len(backend.heard) >= before
        done.set()
        assert all(await asyncio.gather(*searching_on))


@pytest.mark.scenario("T-1")
async def test_list_changed_is_told_of_the_list_that_is_served_and_of_no_other():
    backend, two = shop(), shop({**tool("brew"), "description": "Brews coffee"}, count=0)
    async with two.running(), scene({"one": backend}, config=searching()) as world, world.session() as client:
        await client.names()
        async with client.listening() as stream:
            backend.tools = [*backend.tools, {**tool("kettle"), "description": "Boils water for tea"}]
            await tell_changed(backend)
            async with asyncio.timeout(WAIT_SECONDS):
                while await found(client, "boil water") != ["one_kettle"]:  # noqa: ASYNC110 - nobody hears of it
                    await asyncio.sleep(0.01)
            world.apply({"one": backend, "two": two})
            await stream.until("notifications/tools/list_changed")
            assert "one, two" in (await client.result("tools/list"))["tools"][1]["description"]
            assert stream.methods.count("notifications/tools/list_changed") == 1
