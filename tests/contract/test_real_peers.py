"""The proxy between software that others wrote: SDK servers over HTTP and stdio, and the SDK's client."""

import sys

import pytest
from mcp import Client
from mcp.server.mcpserver import Context, MCPServer
from mcp.shared.exceptions import MCPDeprecationWarning

from tests.support.raw_client import eventually
from tests.support.scene import operational, scene
from tests.support.serving import http_backend, serve

QUIET = operational(timeouts={"list": "10s"})


def sdk_server(name: str) -> MCPServer:
    server = MCPServer(name)

    @server.tool()
    def add(a: int, b: int) -> int:
        return a + b

    @server.tool()
    def fail() -> str:
        raise ValueError("as asked")

    @server.tool()
    async def steps(ctx: Context) -> str:
        for number in range(3):
            await ctx.report_progress(number, 3, f"step {number}")
        return "done"

    @server.tool()
    async def grow(ctx: Context) -> str:
        server.add_tool(lambda: "grown", name="grown")
        await ctx.session.send_tool_list_changed()
        return "done"

    @server.resource("memo://one")
    def memo() -> str:
        return f"memo of {name}"

    @server.resource("note://{key}")
    def note(key: str) -> str:
        return f"note {key} of {name}"

    @server.prompt()
    def greet(who: str) -> str:
        return f"Hello {who}, says {name}"

    return server


def time_backend() -> dict[str, object]:
    command = [sys.executable, "-m", "mcp_server_time", "--local-timezone", "UTC"]
    return {"name": "clock", "kind": "MCPServer", "transport": "stdio", "command": command}


@pytest.mark.scenario("P-1", "P-13", "B-1")
@pytest.mark.parametrize("json_response", [True, False], ids=["json", "events"])
async def test_the_sdk_client_uses_an_sdk_server_and_a_stdio_server_through_the_proxy(json_response):
    server = sdk_server("real")
    async with serve(server.streamable_http_app(json_response=json_response)) as port:
        extra = (http_backend("real", port), time_backend())
        async with (
            scene({}, extra=extra, config=QUIET) as world,
            Client(world.url, mode="legacy") as client,
        ):
            tools = {tool.name: tool for tool in (await client.list_tools()).tools}
            assert set(tools) == {
                "clock_convert_time",
                "clock_get_current_time",
                "real_add",
                "real_fail",
                "real_grow",
                "real_steps",
            }
            added = await client.call_tool("real_add", {"a": 2, "b": 3})
            assert added.structured_content == {"result": 5}
            failed = await client.call_tool("real_fail", {})
            assert failed.is_error
            times = {"source_timezone": "UTC", "time": "12:00", "target_timezone": "Asia/Tokyo"}
            converted = await client.call_tool("clock_convert_time", times)
            assert "21:00" in converted.content[0].text
            assert [str(each.uri) for each in (await client.list_resources()).resources] == ["memo://one"]
            templates = (await client.list_resource_templates()).resource_templates
            assert [each.uri_template for each in templates] == ["note://{key}"]
            assert (await client.read_resource("memo://one")).contents[0].text == "memo of real"
            assert (await client.read_resource("note://7")).contents[0].text == "note 7 of real"
            assert [each.name for each in (await client.list_prompts()).prompts] == ["real_greet"]
            prompt = await client.get_prompt("real_greet", {"who": "you"})
            assert prompt.messages[0].content.text == "Hello you, says real"
            with pytest.warns(MCPDeprecationWarning):
                await client.send_ping()


@pytest.mark.scenario("P-1")
async def test_the_sdk_client_sees_progress_and_list_changes_of_an_sdk_server():
    server = sdk_server("real")
    seen, notified = [], []

    async def on_progress(progress, total, message):
        seen.append((progress, total, message))

    async def on_message(message):
        notified.append(type(message).__name__)

    async with (
        serve(server.streamable_http_app()) as port,
        scene({}, extra=(http_backend("real", port),), config=QUIET) as world,
        Client(world.url, mode="legacy", message_handler=on_message, cache=None) as client,
    ):
        await client.list_tools()
        result = await client.call_tool("real_steps", {}, progress_callback=on_progress)
        assert result.content[0].text == "done"
        assert seen == [(0, 3, "step 0"), (1, 3, "step 1"), (2, 3, "step 2")]
        await client.call_tool("real_grow", {})
        await eventually(lambda: any("ToolListChanged" in name for name in notified))
        assert "real_grown" in {tool.name for tool in (await client.list_tools()).tools}


@pytest.mark.scenario("B-2")
async def test_an_sdk_server_that_restarts_is_healed_within_the_next_call():
    async with (
        serve(sdk_server("real").streamable_http_app(json_response=True)) as port,
        scene({}, extra=(http_backend("real", port),), config=QUIET) as world,
        world.session() as client,
    ):
        await client.call("real_add", {"a": 1, "b": 2})
        for _ in range(2):
            sessions = world.inside.backend_session("real")
            forgotten = sessions.session_id
            await sessions.close(())
            result = await client.call("real_add", {"a": 2, "b": 2})
            assert result["structuredContent"] == {"result": 4}
            assert world.inside.backend_session("real").session_id != forgotten
