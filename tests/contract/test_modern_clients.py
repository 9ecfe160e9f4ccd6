"""SDK clients of the modern era over SDK servers, through the proxy."""

import asyncio
import warnings

import pytest
from mcp import Client
from mcp.shared.exceptions import MCPDeprecationWarning, MCPError

from tests.contract.test_real_peers import QUIET, sdk_server, time_backend
from tests.support.raw_client import eventually
from tests.support.scene import scene
from tests.support.scripted_backend import ScriptedBackend, text, tool
from tests.support.serving import http_backend, serve

MODES = ("auto", "2026-07-28")


@pytest.mark.scenario("P-4", "P-13")
@pytest.mark.parametrize("mode", MODES)
async def test_the_sdk_client_uses_an_sdk_server_and_a_stdio_server_without_a_session(mode):
    server = sdk_server("real")
    async with serve(server.streamable_http_app()) as port:
        extra = (http_backend("real", port), time_backend())
        async with scene({}, extra=extra, config=QUIET) as world, Client(world.url, mode=mode) as client:
            assert client.protocol_version == "2026-07-28"
            assert {"real_add", "clock_convert_time"} <= {each.name for each in (await client.list_tools()).tools}
            assert (await client.call_tool("real_add", {"a": 2, "b": 3})).structured_content == {"result": 5}
            assert (await client.call_tool("real_fail", {})).is_error
            times = {"source_timezone": "UTC", "time": "12:00", "target_timezone": "Asia/Tokyo"}
            assert "21:00" in (await client.call_tool("clock_convert_time", times)).content[0].text
            assert [str(each.uri) for each in (await client.list_resources()).resources] == ["memo://one"]
            templates = (await client.list_resource_templates()).resource_templates
            assert [each.uri_template for each in templates] == ["note://{key}"]
            assert (await client.read_resource("note://7")).contents[0].text == "note 7 of real"
            assert [each.name for each in (await client.list_prompts()).prompts] == ["real_greet"]
            prompt = await client.get_prompt("real_greet", {"who": "you"})
            assert prompt.messages[0].content.text == "Hello you, says real"
            assert world.inside.sessions == 0


@pytest.mark.scenario("P-4", "P-13")
async def test_the_sdk_client_sees_progress_and_the_records_that_it_asks_for():
    seen, records = [], []
    backend = ScriptedBackend()

    @backend.on("tools/call")
    async def talk(call):
        token = call.params["_meta"]["progressToken"]
        await call.notify("notifications/message", level="info", data="little")
        await call.notify("notifications/message", level="error", data="much")
        await call.notify("notifications/progress", progressToken=token, progress=1, total=2, message="half")
        return text("done")

    async def on_progress(progress, total, message):
        seen.append((progress, total, message))

    async def on_log(params):
        records.append((params.level, params.data))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MCPDeprecationWarning)
        async with (
            scene({"one": backend}, config=QUIET) as world,
            Client(world.url, mode="2026-07-28", logging_callback=on_log, log_level="warning") as client,
        ):
            result = await client.call_tool("one_echo", {}, progress_callback=on_progress)
            await eventually(lambda: seen)
            await eventually(lambda: records)
    assert result.content[0].text == "done"
    assert seen == [(1, 2, "half")]
    assert records == [("error", "much")]


@pytest.mark.scenario("P-4", "P-13")
async def test_names_that_no_header_can_carry_are_called():
    backend = ScriptedBackend(resources=[{"uri": "test://grüße/ä", "name": "a"}])
    async with scene({"one": backend}, config=QUIET) as world, Client(world.url, mode="2026-07-28") as client:
        assert (await client.read_resource("test://grüße/ä")).contents[0].text == "read"
        with pytest.raises(MCPError, match="Unknown tool"):
            await client.call_tool("wörter", {})


@pytest.mark.scenario("P-4", "P-13")
async def test_a_call_that_an_sdk_client_gives_up_is_cancelled_at_its_backend():
    backend, began, release = ScriptedBackend(tools=[tool("wait")]), asyncio.Event(), asyncio.Event()

    @backend.on("tools/call")
    async def wait(call):
        began.set()
        await release.wait()
        return text("late")

    async with scene({"one": backend}, config=QUIET) as world, Client(world.url, mode="2026-07-28") as client:
        calling = asyncio.create_task(client.call_tool("one_wait", {}))
        await began.wait()
        calling.cancel()
        await asyncio.gather(calling, return_exceptions=True)
        await eventually(lambda: backend.calls("notifications/cancelled"))
        release.set()
        assert [each.name for each in (await client.list_tools()).tools] == ["one_wait"]
