"""Whose a name is that a composite tool and a tool of a backend have: the same for every caller."""

import asyncio
import contextlib

import pytest

from tests.proxy.endpoint.test_composites import composite, echoing, having
from tests.support.raw_client import WAIT_SECONDS
from tests.support.scene import scene
from tests.support.scripted_backend import Call, tool

STEP = [{"id": "a", "tool": "one.echo", "arguments": {"text": "of the composite"}}]
CONFIG = having(composite("deploy", STEP), aggregation={"conflictResolution": "manual"})


@contextlib.asynccontextmanager
async def teams(*having_it: str):
    """A world whose backend lists another tool `deploy` to these teams, and clients of both; without a team: all."""
    backend = echoing()

    @backend.on("tools/list")
    async def by_team(call: Call) -> dict:
        mine = [tool("deploy")] if call.heard.headers.get("x-team", "") in having_it else []
        return {"tools": [tool("echo"), *mine]}

    async with (
        scene({"one": backend}, config=CONFIG, passthroughHeaders=["X-Team"]) as world,
        world.session(x_team="red") as red,
        world.session(x_team="blue") as blue,
    ):
        yield world, (red, blue)


@pytest.mark.scenario("W-9")
async def test_a_tool_that_a_backend_lists_to_one_caller_alone_takes_no_name_of_a_composite():
    async with teams("red") as (_, clients):
        for client in clients:
            assert await client.names("tools") == ["deploy", "echo"]
            listed = {each["name"]: each for each in (await client.result("tools/list"))["tools"]}
            assert listed["deploy"]["description"] == "does deploy"
            called = (await client.call("deploy"))["structuredContent"]
            assert called == {"given": {"text": "of the composite"}, "tool": "echo"}


@pytest.mark.scenario("W-9")
async def test_a_tool_that_one_caller_alone_would_have_is_told_where_a_composite_stands_before_it(both_eras):
    async with teams("red") as (world, (red, blue)):
        for client in (blue, red):
            await client.names("tools")
        told = {"kind": "tool", "name": "deploy", "winner": "compositeTools", "losers": ["one"]}
        assert (await world.status())["conflicts"] == [told]
        assert (await world.status())["counts"]["tools"] == 2
        world.apply(config=having(composite("other", STEP)))
        async with asyncio.timeout(WAIT_SECONDS):
            while (await world.status())["conflicts"]:  # noqa: ASYNC110 - the state has no event to wait on
                await asyncio.sleep(0.01)


@pytest.mark.scenario("W-9")
async def test_a_tool_that_the_proxy_itself_sees_withholds_it_also_from_those_to_whom_it_is_not_listed(both_eras):
    async with teams("", "blue") as (world, (red, blue)):
        async with asyncio.timeout(WAIT_SECONDS):
            while not (await world.status())["conflicts"]:  # noqa: ASYNC110 - the state has no event to wait on
                await asyncio.sleep(0.01)
        assert await red.names("tools") == ["echo"]
        assert (await red.request("tools/call", {"name": "deploy"}))["error"]["message"] == "Unknown tool: deploy"
        assert await blue.names("tools") == ["deploy", "echo"]
        assert (await blue.call("deploy"))["structuredContent"]["tool"] == "deploy"
