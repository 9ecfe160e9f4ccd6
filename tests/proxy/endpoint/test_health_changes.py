"""What open sessions hear when a backend goes away and comes back: one notification, and only where it matters."""

import asyncio
import contextlib

import pytest

from tests.support.raw_client import eventually
from tests.support.scene import configs_of, operational, scene
from tests.support.scripted_backend import ScriptedBackend, Status, tool
from tests.support.serving import http_backend

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


@pytest.mark.scenario("A-14", "A-10")
@pytest.mark.parametrize("has_stream", [True, False], ids=["stream", "no stream"])
@pytest.mark.parametrize("headers", [{}, {"x_api_key": "k"}], ids=["shared", "own headers"])
async def test_going_and_coming_are_told_once_each_to_every_session_that_sees_the_tools(has_stream, headers):
    backend = ScriptedBackend(has_stream=has_stream)
    async with contextlib.AsyncExitStack() as stack:
        going = contextlib.AsyncExitStack()
        await going.enter_async_context(backend.running())
        document = http_backend("lost", backend.port)
        world = await stack.enter_async_context(
            scene({}, extra=(document,), config=QUICK, passthroughHeaders=["X-Api-Key"])
        )
        client = await stack.enter_async_context(world.session(**headers))
        stream = await stack.enter_async_context(client.listening())
        assert await client.names() == ["lost_echo"]
        await eventually(lambda: stream.comments)

        await going.aclose()
        await stream.until(TOOLS)
        listed = await client.result("tools/list")
        assert listed["tools"] == []
        assert list(listed["_meta"]["vmcp.dev/serverOutcomes"]) == ["lost"]
        # What is away is told by its reason, not as if it had never been.
        assert (await client.call("lost_echo"))["_meta"]["vmcp.dev/category"] == "unreachable"

        backend.tools = [tool("echo"), tool("new")]
        await stack.enter_async_context(backend.running())
        await stream.until(TOOLS, 2)
        back = await client.result("tools/list")
        assert [each["name"] for each in back["tools"]] == ["lost_echo", "lost_new"]
        assert "_meta" not in back
        assert (await client.call("lost_new"))["content"]
        await becomes(world, "lost", "healthy")
        assert stream.methods == [TOOLS, TOOLS]


@pytest.mark.scenario("A-14")
async def test_a_backend_that_fails_without_the_clients_key_is_served_to_those_who_have_it_and_asked_in_measure():
    backend = ScriptedBackend(has_stream=False, offers={"tools": {}})
    config = operational(
        failureHandling={"healthCheckInterval": "200ms", "healthCheckTimeout": "1s", "unhealthyThreshold": 1},
        timeouts={"list": "1s"},
    )

    def has_key(heard):
        return heard.headers.get("x-api-key") == "k"

    @backend.on("tools/list")
    async def listing(call):
        if not has_key(call.heard):
            raise Status(500)
        return {"tools": [tool("echo")]}

    async with (
        scene({"odd": backend}, config=config, passthroughHeaders=["X-Api-Key"]) as world,
        world.session(x_api_key="k") as keyed,
        world.session() as bare,
        keyed.listening() as stream,
        bare.listening(),
    ):
        assert await keyed.names() == ["odd_echo"]
        assert await bare.names() == []
        await becomes(world, "odd", "unhealthy")

        def asked(*, keys):
            return len([each for each in backend.calls("tools/list") if has_key(each) is keys])

        before = asked(keys=False)
        await eventually(lambda: asked(keys=False) >= before + 8)
        assert asked(keys=True) <= 3
        assert await keyed.names() == ["odd_echo"]
        assert "isError" not in await keyed.call("odd_echo")
        assert TOOLS not in stream.methods
