"""The proxy in front of clients on an SDK of May 2025, which stop at revision 2025-03-26."""

import asyncio
import json
from pathlib import Path

import pytest

from tests.support.peers import python_of
from tests.support.scene import scene
from tests.support.scripted_backend import ScriptedBackend, text, tool

CLIENT = Path(__file__).resolve().parents[1] / "peers" / "old_client.py"


@pytest.mark.scenario("P-13")
@pytest.mark.timeout(180)
async def test_a_client_that_stops_at_2025_03_26_connects_lists_and_calls_without_a_word_of_trouble():
    backend = ScriptedBackend()

    @backend.on("tools/call")
    async def _answer(call):
        await call.notify("notifications/message", level="info", data="said before the answer")
        return text("answered")

    python = await asyncio.to_thread(python_of, "mcp-1.9")
    async with scene({"one": backend}) as world:
        client = await asyncio.create_subprocess_exec(
            python, CLIENT, world.url, "one_echo", "{}", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        printed, complained = await client.communicate()
    assert client.returncode == 0, complained.decode()
    assert printed.decode().splitlines() == ["2025-03-26", json.dumps(["one_echo"]), "answered"]
    assert not complained.decode()


@pytest.mark.scenario("R-1", "P-13")
@pytest.mark.timeout(180)
async def test_such_a_client_hears_that_it_has_asked_too_often_and_keeps_its_connection():
    """It ends everything that it has at any HTTP status but 200."""
    python = await asyncio.to_thread(python_of, "mcp-1.9")
    limits = {"shared": {"maxTokens": 1, "refillPeriod": "1h"}}
    backend = ScriptedBackend()
    async with scene({"one": backend}, config={"rateLimiting": limits}) as world, world.session() as other:
        await other.call("one_echo")
        client = await asyncio.create_subprocess_exec(
            python, CLIENT, world.url, "one_echo", "{}", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        printed, complained = await client.communicate()
    assert printed.decode().splitlines() == ["2025-03-26", json.dumps(["one_echo"])]
    assert b"McpError: This endpoint is asked more often than it may be; try again in " in complained
    assert b"HTTPStatusError" not in complained


@pytest.mark.scenario("Z-2", "P-13")
@pytest.mark.timeout(180)
async def test_such_a_client_hears_that_it_may_not_and_keeps_its_connection():
    python = await asyncio.to_thread(python_of, "mcp-1.9")
    policies = ['permit(principal, action, resource == Tool::"one_other");']
    backend = ScriptedBackend(tools=[tool("echo"), tool("other")])
    async with scene({"one": backend}, authorization={"policies": policies}) as world:
        client = await asyncio.create_subprocess_exec(
            python, CLIENT, world.url, "one_echo", "{}", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        printed, complained = await client.communicate()
    assert printed.decode().splitlines() == ["2025-03-26", json.dumps(["one_other"])]
    assert b"McpError: Forbidden." in complained
    assert b"HTTPStatusError" not in complained
