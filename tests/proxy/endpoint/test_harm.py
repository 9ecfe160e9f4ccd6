"""What one caller or one backend does cannot take a backend away from the others, or get round the settings."""

import asyncio
import json
import os
import sys

import pytest

from tests.proxy.backends.test_stdio import PROGRAM
from tests.proxy.endpoint.helpers import QUIET
from tests.proxy.endpoint.test_circuit import guarded, state_of
from tests.support.old_server import OldServer
from tests.support.raw_client import eventually
from tests.support.scene import operational, scene
from tests.support.scripted_backend import Die, ScriptedBackend, tool
from vmcp_proxy.backends.programs.pool import ProgramBounds, ProgramPool

CANCELLED = "notifications/cancelled"


def call_of(name="one_echo", **params):
    return {"jsonrpc": "2.0", "id": 9, "method": "tools/call", "params": {"name": name, **params}}


@pytest.mark.scenario("B-8")
async def test_sessions_that_end_in_the_middle_of_their_calls_open_no_circuit():
    backend = ScriptedBackend()
    hung = []
    ended = {}

    @backend.on("tools/call")
    async def hang(call):
        hung.append(call)
        await ended.setdefault(call.heard.session, asyncio.Event()).wait()
        raise Die

    @backend.on("DELETE")
    async def end(call):
        ended.setdefault(call.heard.session, asyncio.Event()).set()

    async with scene({"one": backend}, config=guarded(threshold=2)) as world:
        for number in range(4):
            async with world.session() as client:
                await client.names()
                async with client.sending(call_of()) as calling:
                    await eventually(lambda: len(hung) > number)  # noqa: B023 - used at once
                    await client.delete()
                    await asyncio.wait((calling,), timeout=5)
        state = await state_of(world)
        assert (state["circuit"], state["status"]) == ("closed", "healthy")


@pytest.mark.scenario("B-8")
async def test_sessions_that_end_in_the_middle_of_calls_on_the_old_transport_open_no_circuit():
    old = OldServer()
    hung = []

    async def hang(asked):
        hung.append(asked)

    old.on_call = hang
    async with old.server.running():
        document = {
            "name": "one", "kind": "MCPServerEntry", "transport": "sse", "network": "local",
            "url": f"http://127.0.0.1:{old.server.port}/sse",
        }  # fmt: skip
        async with scene({}, extra=(document,), config=guarded(threshold=2)) as world:
            for number in range(4):
                async with world.session() as client:
                    assert await client.names() == ["one_echo"]
                    async with client.sending(call_of()) as calling:
                        await eventually(lambda: len(hung) > number)  # noqa: B023 - used at once
                        await client.delete()
                        await asyncio.wait((calling,), timeout=5)
            state = await state_of(world)
            assert (state["circuit"], state["status"]) == ("closed", "healthy")


LISTING = PROGRAM.replace(
    'elif method == "tools/call":',
    'elif method == "tools/list":\n'
    '        say({"jsonrpc": "2.0", "id": number, "result": {"tools": [{"name": n, "inputSchema": {"type": "object"}}'
    ' for n in ("who", "hold")]}})\n    elif method == "ping":\n'
    '        say({"jsonrpc": "2.0", "id": number, "result": {}})\n    elif method == "tools/call":',
)


def program(tmp_path):
    """Writes the file `held` when it is called to hold."""
    path = tmp_path / "program.py"
    holding = f"held.append(number)\n            open({str(tmp_path / 'held')!r}, 'w').close()"
    path.write_text(LISTING.replace("held.append(number)", holding, 1))
    return {
        "name": "one", "kind": "MCPServer", "transport": "stdio", "network": "local",
        "command": [sys.executable, str(path)],
    }  # fmt: skip


@pytest.mark.scenario("B-8")
async def test_sessions_beyond_the_bound_of_programs_open_no_circuit_for_the_others(tmp_path, monkeypatch):
    monkeypatch.setattr("vmcp_proxy.run.parts.members.ProgramPool", lambda: ProgramPool(ProgramBounds(most=1)))
    config = guarded(threshold=2)
    config["operational"]["failureHandling"]["healthCheckTimeout"] = "500ms"
    async with (
        scene({}, extra=(program(tmp_path),), config=config) as world,
        world.client() as first,
        world.client() as second,
        world.session() as modest,
    ):
        await first.open({"roots": {}})
        assert not (await first.call("one_who")).get("isError")
        await second.open({"roots": {}})
        for _ in range(4):
            refused = await second.call("one_who")
            assert refused["isError"]
            assert "has no room for another client session" in refused["content"][0]["text"]
        assert not (await modest.call("one_who")).get("isError")
        state = await state_of(world)
        assert (state["circuit"], state["status"]) == ("closed", "healthy")


@pytest.mark.scenario("B-8")
async def test_sessions_that_end_with_calls_on_their_own_programs_open_no_circuit(tmp_path):
    async with scene({}, extra=(program(tmp_path),), config=guarded(threshold=2)) as world:
        for _ in range(3):
            async with world.client() as client:
                await client.open({"roots": {}})
                pid = json.loads((await client.call("one_who"))["content"][0]["text"])[0]
                async with client.sending(call_of("one_hold")) as calling:
                    await eventually((tmp_path / "held").exists)
                    (tmp_path / "held").unlink()
                    await client.delete()
                    await asyncio.wait((calling,), timeout=5)
                with pytest.raises(ProcessLookupError):
                    await eventually(lambda: os.kill(pid, 0))  # noqa: B023 - used at once
        state = await state_of(world)
        assert (state["circuit"], state["status"]) == ("closed", "healthy")


@pytest.mark.scenario("A-14")
async def test_a_backend_that_tells_of_a_change_whenever_it_is_asked_is_not_asked_without_end():
    backend = ScriptedBackend()

    @backend.on("tools/list")
    async def listed(call):
        backend.push("notifications/tools/list_changed")
        return {"tools": [tool("echo")]}

    async with scene({"one": backend}, config=QUIET) as world, world.session() as client:
        await client.names()
        await eventually(lambda: backend.streams)
        backend.push("notifications/tools/list_changed")
        loop = asyncio.get_running_loop()
        before, began = len(backend.calls("tools/list")), loop.time()
        await asyncio.sleep(2)
        # A reading asks for the list once or twice; a busy machine makes the two seconds longer.
        assert len(backend.calls("tools/list")) - before < 4 * (loop.time() - began + 1)


@pytest.mark.scenario("X-1")
@pytest.mark.parametrize("rename", [False, True], ids=["as it is", "renamed"])
@pytest.mark.parametrize("other", ["Name", "NAME", "n\\u0061Me"])
async def test_a_second_name_that_lax_readers_take_for_the_first_never_reaches_a_backend(rename, other):
    backend = ScriptedBackend(tools=[tool("echo"), tool("hidden")])
    entry = {"workload": "one", "filter": ["echo"]}
    aggregation = {"tools": [entry], **({} if rename else {"conflictResolution": "priority",
                   "conflictResolutionConfig": {"priorityOrder": ["one"]}})}  # fmt: skip
    async with (
        scene({"one": backend}, config={**QUIET, "aggregation": aggregation}) as world,
        world.session() as client,
    ):
        (name,) = await client.names()
        message = json.dumps(call_of(name, other="hidden")).replace('"other"', f'"{other}"')
        await client.post(message.encode())
        for heard in backend.calls("tools/call"):
            assert [key for key in heard.message["params"] if key.lower() == "name"] == ["name"]


@pytest.mark.scenario("B-3")
async def test_a_backend_that_hangs_altogether_is_found_out_within_the_bound_of_a_probe(monkeypatch):
    # A probe that waited for its cancellation would wait as long as this.
    monkeypatch.setattr("vmcp_proxy.backends.streamable.session._FAREWELL_SECONDS", 600.0)
    backend = ScriptedBackend()
    never = asyncio.Event()

    @backend.on("ping")
    async def ping(_call):
        await never.wait()

    @backend.on(CANCELLED)
    async def cancelled(_call):
        await never.wait()

    handling = {"healthCheckInterval": "100ms", "healthCheckTimeout": "200ms", "unhealthyThreshold": 2}
    async with scene({"one": backend}, config=operational(failureHandling=handling)) as world:
        async with asyncio.timeout(30):
            while (await state_of(world))["status"] != "unhealthy":  # noqa: ASYNC110 - nobody announces it
                await asyncio.sleep(0.02)
        never.set()
