"""Backends and clients that behave badly on purpose cost themselves, and nobody else."""

import asyncio
import contextlib
import json
import sys

import pytest

from tests.proxy.endpoint.helpers import QUIET
from tests.support.raw_client import WAIT_SECONDS, eventually, initialize
from tests.support.scene import operational, scene
from tests.support.scripted_backend import ScriptedBackend, Status, text, tool

CUT = r"cut \ud83d"
"""A text that was cut inside an emoji, as `JSON.stringify` writes it."""


@pytest.mark.scenario("C-4", "A-9")
@pytest.mark.parametrize("answers_events", [False, True])
async def test_text_cut_inside_an_emoji_is_relayed_to_the_byte_both_ways(answers_events):
    backend = ScriptedBackend(tools=[tool("echo", description="D")], answers_events=answers_events)
    raw = json.dumps(backend.tools[0]).replace('"D"', f'"{CUT}"')

    @backend.on("tools/list")
    async def listing(call):
        return f'{{"tools":[{raw}]}}'.encode()

    @backend.on("tools/call")
    async def call(call):
        if call.params["arguments"] != {"x": "cut \ud83d"}:
            return text("heard something else")
        return f'{{"content":[{{"type":"text","text":"{CUT}"}}],"isError":true,"_meta":{{"vmcp.dev/x":1}}}}'.encode()

    async with scene({"one": backend}) as world, world.session() as client:
        listed = await client.post({"jsonrpc": "2.0", "id": 1, "method": "tools/list"})
        assert f'"description": "{CUT}"' in listed.text or f'"description":"{CUT}"' in listed.text
        assert [each["name"] for each in listed.json()["result"]["tools"]] == ["one_echo"]
        params = f'{{"name":"one_echo","arguments":{{"x":"{CUT}"}}}}'.encode()
        answer = await client.post(b'{"jsonrpc":"2.0","id":7,"method":"tools/call","params":%b}' % params)
        assert answer.status_code == 200
        assert f'"result":{{"content":[{{"type":"text","text":"{CUT}"}}],"isError":true,"_meta":{{}}}}' in answer.text
        metrics = await world.metrics()
        assert sum(value for name, value in metrics.items() if name.startswith("vmcp_tool_errors_total")) == 1


@pytest.mark.scenario("B-2")
async def test_a_refused_reply_to_a_backends_question_does_not_send_the_call_again():
    backend = ScriptedBackend()

    @backend.on("")
    async def forget(call):
        raise Status(404)

    @backend.on("tools/call")
    async def ask(call):
        await call.say({"jsonrpc": "2.0", "id": "q", "method": "ping"})
        await eventually(lambda: any(heard.message.get("id") == "q" for heard in backend.heard))
        return text("ran")

    async with scene({"one": backend}) as world, world.session() as client:
        assert (await client.call("one_echo"))["content"][0]["text"] == "ran"
        assert len(backend.calls("tools/call")) == 1


async def test_a_backend_that_asks_without_end_does_not_stretch_the_call_beyond_its_bound():
    backend = ScriptedBackend()
    hold = asyncio.Event()

    @backend.on("")
    async def hang(call):
        await hold.wait()

    @backend.on("tools/call")
    async def ask(call):
        await call.say({"jsonrpc": "2.0", "id": "q", "method": "ping"})
        await hold.wait()
        return text("late")

    async with scene({"one": backend}, config=operational(timeouts={"default": "500ms"})) as world:
        async with world.session() as client, asyncio.timeout(30):
            assert (await client.call("one_echo"))["_meta"]["vmcp.dev/category"] == "timeout"
        hold.set()


async def test_streams_of_many_sessions_leave_the_connections_to_the_calls():
    backend = ScriptedBackend()
    config = operational(limits={"connectionsPerBackend": 2})
    async with scene({"one": backend}, config=config) as world, contextlib.AsyncExitStack() as stack:
        for _ in range(4):
            client = await stack.enter_async_context(world.session())
            await client.call("one_echo")
            await stack.enter_async_context(client.listening())
        await eventually(lambda: len(backend.streams) >= 4)
        assert (await client.call("one_echo"))["content"][0]["text"] == "called echo"


async def test_a_handshake_that_would_fill_the_memory_is_refused_and_leaves_no_session():
    async with scene({}) as world, world.client() as client:
        answer = await client.post(initialize(experimental={"x": "y" * 20_000}))
        assert answer.json()["error"]["code"] == -32602
        assert world.inside.sessions == 0
        long = initialize()
        long["params"]["clientInfo"]["icons"] = ["i" * 20_000]
        assert (await client.post(long)).status_code == 200
        held = world.inside.client
        assert held.session.client_info == b"{}"


async def test_a_client_with_a_wrong_key_does_not_make_the_backend_look_broken():
    backend = ScriptedBackend()

    async def guard(call):
        if call.heard.headers.get("x-api-key") == "wrong":
            raise Status(401)
        return text("in")

    backend.on("tools/call")(guard)
    async with scene({"one": backend}, passthroughHeaders=["X-Api-Key"], config=QUIET) as world:
        await eventually(lambda: backend.calls("tools/list"))
        async with world.session(X_Api_Key="wrong") as client:
            assert (await client.call("one_echo"))["_meta"]["vmcp.dev/category"] == "auth"
            (state,) = (await world.status())["backends"]
            assert state["status"] == "healthy"


async def test_a_backend_that_always_changes_its_lists_does_not_slow_down_calls_to_the_others():
    good, evil = ScriptedBackend(), ScriptedBackend()
    hold = asyncio.Event()
    config = operational(timeouts={"list": "5m"})
    async with scene({"good": good, "evil": evil}, config=config) as world, world.session() as client:
        assert await client.names() == ["evil_echo", "good_echo"]

        @evil.on("tools/list")
        async def hang(call):
            await hold.wait()
            return {"tools": []}

        world.inside.invalidate_lists("evil")
        async with asyncio.timeout(WAIT_SECONDS):
            await client.call("good_echo")
        hold.set()
        assert await client.names() == ["good_echo"]


async def test_a_member_that_leaves_while_a_list_is_waited_for_is_not_listed():
    fast, slow = ScriptedBackend(), ScriptedBackend()
    hold = asyncio.Event()

    @slow.on("tools/list")
    async def wait(call):
        await hold.wait()
        return {"tools": [tool("late")]}

    config = operational(timeouts={"list": "10s"})
    async with scene({"fast": fast, "slow": slow}, config=config) as world:
        opening = asyncio.create_task(world.client().__aenter__())
        async with await opening as client:
            handshake = asyncio.create_task(client.open())
            await eventually(lambda: slow.calls("tools/list") and fast.calls("tools/list"))
            await eventually(lambda: world.inside.clients)
            world.apply({"slow": slow})
            hold.set()
            await handshake
            assert await client.names() == ["slow_late"]


@pytest.mark.scenario("S-3", "C-7")
async def test_a_foreign_delete_is_audited_as_denied_with_the_session_that_it_was_made_on(tmp_path):
    audit = tmp_path / "audit.log"
    config = {"audit": {"enabled": True, "sink": "file", "path": str(audit)}}
    async with scene({}, config=config) as world, world.session() as client:
        (held,) = world.inside.clients or (None,)
        ref = world.inside.session_ref(client.session)
        assert await client.delete(authorization="Bearer stolen") == 404
        assert await client.delete() == 204
        assert held is None or held.session.ref == ref
    events = [json.loads(line) for line in audit.read_text().splitlines()]
    ends = [(event["outcome"], event["session"]) for event in events if event["type"] == "mcp_session_end"]
    assert ends == [("denied", ref), ("success", ref)]


async def test_a_repeated_id_ends_the_call_that_bears_it_now_and_no_other():
    backend = ScriptedBackend()
    hold = {"a": asyncio.Event(), "b": asyncio.Event()}

    @backend.on("tools/call")
    async def wait(call):
        await hold[call.params["arguments"]["which"]].wait()
        return text(call.params["arguments"]["which"])

    def message(which):
        params = {"name": "one_echo", "arguments": {"which": which}}
        return {"jsonrpc": "2.0", "id": 5, "method": "tools/call", "params": params}

    async with scene({"one": backend}) as world, world.session() as client:
        first = asyncio.create_task(client.post(message("a")))
        await eventually(lambda: len(backend.calls("tools/call")) == 1)
        second = asyncio.create_task(client.post(message("b")))
        await eventually(lambda: len(backend.calls("tools/call")) == 2)
        hold["a"].set()
        assert (await first).json()["result"]["content"][0]["text"] == "a"
        cancel = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 5}}
        assert (await client.post(cancel)).status_code == 202
        assert (await second).json()["error"]["code"] == -32800
        hold["b"].set()


async def test_a_program_that_never_answers_does_not_hold_up_the_shutdown():
    mute = {
        "name": "mute",
        "kind": "Local",
        "transport": "stdio",
        "command": [sys.executable, "-c", "import sys; print(flush=True); sys.stdin.read()"],
        "network": "local",
    }
    async with asyncio.timeout(20):
        async with scene({}, extra=(mute,)) as world:
            backend = world.inside.backend("mute")
            await eventually(lambda: backend._shared.is_starting and backend._running)


@pytest.mark.scenario("B-3")
async def test_a_backend_that_hangs_altogether_does_not_delay_the_answer_beyond_the_bound_of_the_call():
    backend = ScriptedBackend()

    async def hang(_call):
        await asyncio.Event().wait()
        return {}

    backend.on("tools/call")(hang)
    backend.on("notifications/cancelled")(hang)
    config = operational(timeouts={"default": "2s"}, failureHandling={"healthCheckInterval": "1h"})
    async with scene({"one": backend}, config=config) as world, world.session() as client:
        async with asyncio.timeout(30):
            result = await client.call("one_echo")
        assert result["_meta"]["vmcp.dev/category"] == "timeout"
        await eventually(lambda: backend.calls("notifications/cancelled"))
