"""Whose lists are read again when a backend says that they have changed, and whose calls wait for that."""

import asyncio

import pytest

from tests.proxy.endpoint.helpers import QUIET
from tests.proxy.endpoint.test_two_pods import two_pods
from tests.support.raw_client import eventually
from tests.support.scene import operational, scene
from tests.support.scripted_backend import ScriptedBackend, Status, tool

TOOLS = "notifications/tools/list_changed"
HEADERS = ["X-Api-Key"]


@pytest.mark.scenario("A-14")
async def test_a_client_with_headers_and_no_stream_sees_what_the_backend_tells_the_proxy():
    backend = ScriptedBackend()
    async with (
        scene({"one": backend}, config=QUIET, passthroughHeaders=HEADERS) as world,
        world.session(x_api_key="k") as client,
        world.session() as plain,
        plain.listening() as stream,
    ):
        assert await client.names() == ["one_echo"]
        await plain.names()
        await eventually(lambda: backend.streams and stream.comments)
        backend.tools = [tool("echo"), tool("new")]
        backend.push(TOOLS)
        await stream.until(TOOLS)
        assert (await client.call("one_new"))["content"]
        assert await client.names() == ["one_echo", "one_new"]
        async with world.session(x_api_key="k") as another:
            assert await another.names() == ["one_echo", "one_new"]


async def test_a_backend_that_speaks_of_changes_without_any_has_nobodys_lists_read_again():
    backend = ScriptedBackend()
    async with (
        scene({"one": backend}, config=QUIET, passthroughHeaders=HEADERS) as world,
        world.session(x_api_key="k") as client,
    ):
        await client.names()
        await eventually(lambda: backend.streams)
        own = len([each for each in backend.calls("tools/list") if "x-api-key" not in each.headers])
        backend.push(TOOLS)
        await eventually(
            lambda: len([each for each in backend.calls("tools/list") if "x-api-key" not in each.headers]) > own
        )
        await client.names()
        assert len([each for each in backend.calls("tools/list") if "x-api-key" in each.headers]) == 1


@pytest.mark.scenario("A-14", "S-5")
async def test_what_a_backend_tells_one_client_alone_is_known_on_every_pod_that_serves_the_client(redis_server):
    backend = ScriptedBackend()

    async def only_with_key(call):
        if "x-api-key" not in call.heard.headers:
            raise Status(401)
        return await ScriptedBackend(tools=backend.tools).result_for(call)

    for method in ("tools/list", "ping"):
        backend.on(method)(only_with_key)
    async with two_pods(redis_server, backend) as (_, _, client, there), client.listening() as stream:
        assert await client.names() == await there.names() == ["b0_echo"]
        await client.call("b0_echo")
        mine = backend.calls("tools/call")[0].session
        await eventually(lambda: mine in backend.streams)
        backend.tools = [tool("echo"), tool("new")]
        backend.push(TOOLS, mine)
        await stream.until(TOOLS)
        async with asyncio.timeout(10):
            while await there.names() != ["b0_echo", "b0_new"]:  # noqa: ASYNC110 - no stream tells this pod's lists
                await asyncio.sleep(0.05)
        assert (await there.call("b0_new"))["content"]


@pytest.mark.scenario("A-10")
async def test_a_call_does_not_wait_for_the_lists_of_a_backend_that_could_not_tell_them():
    fine, hanging = ScriptedBackend(), ScriptedBackend()
    hold = asyncio.Event()

    @hanging.on("initialize")
    async def hang(_call):
        await hold.wait()
        return {}

    config = operational(
        timeouts={"list": "200ms", "perWorkload": {"hanging": "500ms"}}, failureHandling={"healthCheckInterval": "1h"}
    )
    async with (
        scene({"fine": fine, "hanging": hanging}, config=config, passthroughHeaders=HEADERS) as world,
        world.session(x_api_key="k") as client,
    ):
        assert await client.names() == ["fine_echo"]
        inside = world.inside
        entry = inside.private_listing("hanging")
        await eventually(lambda: entry.failure is not None)
        inside.outdate(entry)
        assert inside.needs_fetch(entry)
        assert (await client.call("fine_echo"))["content"]
        assert entry.task is None
        assert (await client.call("hanging_echo"))["_meta"]["vmcp.dev/backend"] == "hanging"
        assert (await client.request("tools/call", {"name": "fine_more"}))["error"]["code"] == -32602
        hold.set()


@pytest.mark.scenario("A-14", "B-2")
async def test_changes_are_heard_in_the_session_that_took_the_place_of_one_whose_stream_nobody_ended():
    backend = ScriptedBackend()
    config = operational(failureHandling={"healthCheckInterval": "50ms"})
    async with scene({"one": backend}, config=config):
        await eventually(lambda: len(backend.streams) == 1)
        former, read = set(backend.streams), len(backend.calls("tools/list"))
        backend.forget_sessions()
        await eventually(lambda: set(backend.streams) - former)
        (own,) = backend.streams
        # What was said meanwhile nobody has heard.
        await eventually(lambda: len(backend.calls("tools/list")) == read + 1)
        backend.push("notifications/tools/list_changed", own)
        await eventually(lambda: len(backend.calls("tools/list")) == read + 2)
