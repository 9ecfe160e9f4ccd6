"""The SDK's client, which loses its connections to the proxy and comes back."""

import asyncio

import mcp_types as types
import pytest
from mcp import Client, ClientSession
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.message import ClientMessageMetadata

from tests.support.plain_http import http_client
from tests.support.raw_client import eventually
from tests.support.relay import Relay
from tests.support.scene import operational, scene
from tests.support.scripted_backend import ScriptedBackend, text, tool

QUIET = operational(failureHandling={"healthCheckInterval": "1h"})
TOOLS = "notifications/tools/list_changed"


class Gated(ScriptedBackend):
    """A backend whose tool reports progress, waits for the test, and reports more before it answers."""

    def __init__(self):
        super().__init__()
        self.told = asyncio.Event()
        self.hold = asyncio.Event()
        self.on("tools/call")(self._call)

    async def _call(self, call):
        token = call.params.get("_meta", {}).get("progressToken")
        for step in (1, 2):
            await call.notify("notifications/progress", progressToken=token, progress=step)
        self.told.set()
        await self.hold.wait()
        for step in (3, 4):
            await call.notify("notifications/progress", progressToken=token, progress=step)
        return text("done")


@pytest.mark.scenario("P-10", "P-13")
async def test_the_sdk_client_gets_the_rest_of_a_call_whose_connection_broke():
    backend, seen = Gated(), []

    async def on_progress(progress, total, message):
        seen.append(progress)

    async with (
        scene({"one": backend}, config=QUIET) as world,
        Relay(world.proxy.mcp_port).running() as relay,
        Client(f"http://127.0.0.1:{relay.port}/mcp", mode="legacy", cache=None) as client,
        asyncio.timeout(30),
    ):
        calling = asyncio.create_task(client.call_tool("one_echo", {}, progress_callback=on_progress))
        await backend.told.wait()
        await eventually(lambda: seen == [1, 2])
        assert relay.cut()
        backend.hold.set()
        result = await calling
        assert result.content[0].text == "done"
        assert seen == [1, 2, 3, 4]
        assert len(backend.calls("tools/call")) == 1


@pytest.mark.scenario("P-10", "P-13", "A-14")
async def test_the_sdk_client_hears_of_a_change_that_came_while_its_stream_was_broken():
    backend, notified = ScriptedBackend(), []

    async def on_message(message):
        notified.append(type(message).__name__)

    async with (
        scene({"one": backend}, config=QUIET) as world,
        Relay(world.proxy.mcp_port).running() as relay,
        Client(f"http://127.0.0.1:{relay.port}/mcp", mode="legacy", message_handler=on_message, cache=None) as client,
        asyncio.timeout(30),
    ):
        await client.list_tools()
        held = world.inside.client
        await eventually(lambda: held.stream.is_listening and held.stream.told)
        relay.cut()
        await eventually(lambda: not held.stream.is_listening)
        backend.tools = [tool("new")]
        backend.push(TOOLS)
        await eventually(lambda: any("ToolListChanged" in name for name in notified))
        assert [each.name for each in (await client.list_tools()).tools] == ["one_new"]
        assert len([name for name in notified if "ToolListChanged" in name]) == 1


@pytest.mark.scenario("P-10", "P-13")
async def test_an_sdk_client_that_was_started_again_resumes_by_its_token():
    backend, tokens, sessions = Gated(), [], []

    async def keep(token):
        tokens.append(token)

    async def ignore(progress, total, message):
        """The backend reports progress to those only that ask for it."""

    async def note(response):
        sessions.append(response.headers.get("mcp-session-id"))

    request = types.CallToolRequest(params=types.CallToolRequestParams(name="one_echo", arguments={}))
    async with scene({"one": backend}, config=QUIET) as world, asyncio.timeout(30):
        async with (
            http_client(event_hooks={"response": [note]}, timeout=20) as http,
            streamable_http_client(world.url, http_client=http, terminate_on_close=False) as (read, write),
            ClientSession(read, write) as session,
        ):
            await session.initialize()
            metadata = ClientMessageMetadata(on_resumption_token_update=keep)
            calling = asyncio.create_task(
                session.send_request(request, types.CallToolResult, metadata=metadata, progress_callback=ignore)
            )
            await backend.told.wait()
            await eventually(lambda: tokens)
            calling.cancel()
            await asyncio.gather(calling, return_exceptions=True)
        backend.hold.set()
        headers = {"mcp-session-id": sessions[0], "mcp-protocol-version": "2025-11-25"}
        async with (
            http_client(headers=headers, timeout=20) as http,
            streamable_http_client(world.url, http_client=http, terminate_on_close=False) as (read, write),
            ClientSession(read, write) as session,
        ):
            metadata = ClientMessageMetadata(resumption_token=tokens[-1])
            result = await session.send_request(request, types.CallToolResult, metadata=metadata)
        assert result.content[0].text == "done"
        assert len(backend.calls("tools/call")) == 1
