"""An endpoint before a bridge: to it the process is a backend as any other."""

import sys
from pathlib import Path

import pytest

from tests.proxy.bridge.test_bridge import bridging, ready
from tests.support.attach_server import AttachServer
from tests.support.raw_client import RawClient, eventually
from tests.support.serving import http_backend, load, running, url_of

NOTES = Path(__file__).parents[3] / "e2e" / "images" / "backends" / "serve.py"


@pytest.mark.scenario("K-18")
async def test_clients_of_an_endpoint_share_the_process_and_outlive_it(tmp_path):
    async with (
        AttachServer((sys.executable, str(NOTES), "notes", "stdio")).running() as server,
        bridging(server, tmp_path) as bridge,
    ):
        await ready(bridge)
        config = load({"backends": [http_backend("notes", bridge.mcp_port)]})
        async with running(config) as proxy, RawClient(url_of(proxy)) as client, RawClient(url_of(proxy)) as other:
            await client.open()
            await other.open({"sampling": {}})
            assert "notes_add" in await client.names()
            await other.call("notes_write_note", {"name": "shared", "text": "by all"})
            (content,) = (await client.result("resources/read", {"uri": "notes://shared"}))["contents"]
            assert content["text"] == "by all"
            await server.cut()
            await eventually(lambda: len(server.processes) == 2)
            for each in (client, other):
                assert (await each.call("notes_add", {"a": 1, "b": 2}))["content"][0]["text"] == "3"
