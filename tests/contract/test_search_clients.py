"""Tool search as the clients of SDKs use it: they list, find and call, and check answers by the schemas listed."""

import asyncio
import json
from pathlib import Path

import pytest
from mcp import Client
from mcp.types import ElicitResult

from tests.proxy.endpoint.test_search import searching
from tests.support.peers import python_of
from tests.support.scene import scene
from tests.support.scripted_backend import Call, ScriptedBackend, text, tool

CLIENT = Path(__file__).resolve().parents[1] / "peers" / "python" / "search_client.py"
FORM = {"message": "name?", "requestedSchema": {"type": "object", "properties": {"name": {"type": "string"}}}}


def asking() -> ScriptedBackend:
    """A backend with many tools, one of which asks for a name and tells how far it is."""
    fillers = (tool(f"filler{number:02}") for number in range(24))
    backend = ScriptedBackend(tools=[*fillers, {**tool("greet"), "description": "Asks for a name and greets"}])
    answers: asyncio.Queue[dict] = asyncio.Queue()

    @backend.on("tools/call")
    async def greet(call: Call) -> dict:
        token = call.params["_meta"]["progressToken"]
        await call.notify("notifications/progress", progressToken=token, progress=1)
        await call.say({"jsonrpc": "2.0", "id": 1, "method": "elicitation/create", "params": FORM})
        return text(f"Hello {(await answers.get())['result']['content']['name']}")

    @backend.on("")
    async def hear(call: Call) -> dict:
        answers.put_nowait(call.heard.message)
        return {}

    return backend


@pytest.mark.scenario("T-2", "T-4")
@pytest.mark.parametrize("mode", ["legacy", "auto", "2026-07-28"])
async def test_a_client_of_the_sdk_2_finds_and_calls(mode):
    progress = []

    async def elicited(_context, _params):
        return ElicitResult(action="accept", content={"name": "Ada"})

    async def on_progress(done, _total, _message):
        progress.append(done)

    async with (
        scene({"one": asking()}, config=searching()) as world,
        Client(world.url, mode=mode, elicitation_callback=elicited) as client,
    ):
        assert [each.name for each in (await client.list_tools()).tools] == ["call_tool", "find_tool"]
        found = (await client.call_tool("find_tool", {"query": "ask for a name"})).structured_content
        wanted = {"name": found["tools"][0]["name"], "arguments": {}}
        result = await client.call_tool("call_tool", wanted, progress_callback=on_progress)
        assert result.content[0].text == "Hello Ada"
        assert progress == [1]
        wrong = await client.call_tool("call_tool", {"name": "one_nothing"})
        assert wrong.is_error


@pytest.mark.scenario("T-2", "T-4")
@pytest.mark.timeout(180)
async def test_a_client_of_the_sdk_1_finds_and_calls():
    python = await asyncio.to_thread(python_of, "mcp-1.30")
    async with scene({"one": asking()}, config=searching()) as world:
        process = await asyncio.create_subprocess_exec(
            python, CLIENT, world.url, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    seen = json.loads(out)
    assert (seen["listed"], seen["found"]) == (["call_tool", "find_tool"], "one_greet")
    assert (seen["answer"], seen["progress"]) == ("Hello Ada", [1])
    assert seen["wrong"][0] is True
