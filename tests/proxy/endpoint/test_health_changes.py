"""What open sessions hear when a backend goes away and comes back: one notification, and only where it matters."""

import asyncio
import contextlib

import pytest

from tests.support.raw_client import eventually
from tests.support.scene import configs_of, operational, scene
from tests.support.scripted_backend import ScriptedBackend, tool

TOOLS = "notifications/tools/list_changed"
PROMPTS = "notifications/prompts/list_changed"
QUICK = operational(
    failureHandling={"healthCheckInterval": "200ms", "healthCheckTimeout": "1s", "unhealthyThreshold": 2},
    timeouts={"list": "1s"},
)


async def status_of(world, backend):
    return {each["name"]: each["status"] for each in (await world.status())["backends"]}[backend]


async def becomes(world, backend, status):
    """Waits until the status shows a backend like this."""
    async with asyncio.timeout(10):
        while await status_of(world, backend) != status:  # noqa: ASYNC110 - nobody announces it
            await asyncio.sleep(0.02)


@pytest.mark.scenario("A-14")
async def test_a_backend_that_goes_and_comes_is_told_once_each_time_to_those_who_see_its_tools_and_to_no_others():
    lost, kept = ScriptedBackend(), ScriptedBackend()

    @lost.on("tools/list")
    async def by_key(call):
        return {"tools": [] if call.heard.headers.get("x-api-key") == "bob" else [tool("echo")]}

    async with contextlib.AsyncExitStack() as stack:
        going = contextlib.AsyncExitStack()
        await going.enter_async_context(lost.running())
        await stack.enter_async_context(kept.running())
        documents = tuple(configs_of({"lost": lost, "kept": kept}))
        world = await stack.enter_async_context(
            scene({}, extra=documents, config=QUICK, passthroughHeaders=["X-Api-Key"])
        )
        first = await stack.enter_async_context(world.session())
        second = await stack.enter_async_context(world.session())
        bob = await stack.enter_async_context(world.session(x_api_key="bob"))
        for client in (first, second):
            assert await client.names() == ["kept_echo", "lost_echo"]
        assert await bob.names() == ["kept_echo"]
        await bob.call("kept_echo")
        streams = [await stack.enter_async_context(client.listening()) for client in (first, second, bob)]
        hers, theirs, his = streams
        await eventually(lambda: all(stream.comments for stream in streams))
        await eventually(lambda: lost.streams and len(kept.streams) == 2)

        await going.aclose()
        await hers.until(TOOLS)
        await theirs.until(TOOLS)
        listed = await first.result("tools/list")
        assert [each["name"] for each in listed["tools"]] == ["kept_echo"]
        assert list(listed["_meta"]["vmcp.dev/serverOutcomes"]) == ["lost"]
        await becomes(world, "lost", "unhealthy")

        await stack.enter_async_context(lost.running())
        await hers.until(TOOLS, 2)
        await theirs.until(TOOLS, 2)
        assert await first.names() == ["kept_echo", "lost_echo"]
        assert (await first.call("lost_echo"))["content"]
        await becomes(world, "lost", "healthy")

        # Something that concerns everybody: nothing else came before it, to nobody.
        kept.prompts = [{"name": "p"}]
        kept.push(PROMPTS)
        for stream in streams:
            await stream.until(PROMPTS)
        assert hers.methods == theirs.methods == [TOOLS, TOOLS, PROMPTS]
        assert his.methods == [PROMPTS]
