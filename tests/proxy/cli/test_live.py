"""Edits of manifests as a connected client sees them."""

import asyncio

import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import ToolListChangedNotification

from tests.proxy.cli.commands import endpoint, replace, server, serving, write

SECONDS = 20.0


class Listener:
    """Counts what the server says of its tools."""

    def __init__(self):
        self.changed = asyncio.Condition()
        self.count = 0

    async def hear(self, message):
        if isinstance(getattr(message, "root", message), ToolListChangedNotification):
            async with self.changed:
                self.count += 1
                self.changed.notify_all()


async def names(client):
    return {tool.name for tool in (await client.list_tools()).tools}


async def names_are(client, listener, wanted):
    """Lists again after every word of the server until the tools are these."""
    async with asyncio.timeout(SECONDS):
        while True:
            heard = listener.count
            if await names(client) == wanted:
                return
            async with listener.changed:
                await listener.changed.wait_for(lambda heard=heard: listener.count > heard)


@pytest.mark.scenario("D-2")
async def test_a_connected_client_hears_of_every_edit_and_sees_it(tmp_path):
    file = tmp_path / "v.yaml"
    write(file, *endpoint(), server("one"))
    listener = Listener()
    async with serving("-f", str(file)) as served:
        url = await served.url()
        await served.line("backend is up", "name=one")
        async with Client(streamable_http_client(url), mode="legacy", message_handler=listener.hear) as client:
            assert await names(client) == {"one_add", "one_echo"}
            # A rename over the file: a backend joins.
            replace(file, *endpoint(), server("one"), server("two"))
            await names_are(client, listener, {"one_add", "one_echo", "two_add", "two_echo"})
            # In place: a filter.
            tools = [{"workload": "one", "filter": ["echo"]}]
            write(file, *endpoint(config={"aggregation": {"tools": tools}}), server("one"), server("two"))
            await names_are(client, listener, {"one_echo", "two_add", "two_echo"})
            # A backend leaves; the session goes on.
            replace(file, *endpoint(), server("two"))
            await names_are(client, listener, {"two_add", "two_echo"})
            assert (await client.call_tool("two_echo", {"text": "still here"})).content[0].text == "still here"
        await served.line("backend is removed", "name=one")
    assert listener.count > 0
