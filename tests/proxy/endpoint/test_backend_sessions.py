"""How the proxy treats the sessions that it has at backends: opened once, healed once, never a call twice."""

import asyncio
import socket
import sys

import pytest

from tests.proxy.endpoint.helpers import QUIET
from tests.support.old_server import OldServer
from tests.support.raw_client import eventually
from tests.support.scene import operational, scene
from tests.support.scripted_backend import Die, Refusal, ScriptedBackend, Status, text
from tests.support.serving import http_backend


def own_and_client(backend):
    """The sessions in which calls came, apart from the proxy's own."""
    return {heard.session for heard in backend.calls("tools/call")}


@pytest.mark.scenario("B-2")
async def test_a_hundred_calls_of_a_session_make_one_initialize():
    backend = ScriptedBackend()
    async with scene({"one": backend}, config=QUIET) as world, world.session() as client:
        await client.names()
        before = len(backend.calls("initialize"))
        for _ in range(50):
            await client.call("one_echo")
        await asyncio.gather(*(client.call("one_echo") for _ in range(50)))
        assert len(backend.calls("tools/call")) == 100
        assert len(backend.calls("initialize")) - before == 1
        assert len(own_and_client(backend)) == 1
        ids = [heard.message["id"] for heard in backend.calls("tools/call")]
        assert len(set(ids)) == 100


@pytest.mark.scenario("B-2")
async def test_concurrent_first_calls_share_one_initialize():
    backend = ScriptedBackend()
    async with scene({"one": backend}, config=QUIET) as world, world.session() as client:
        await client.names()
        before = len(backend.calls("initialize"))
        await asyncio.gather(*(client.call("one_echo") for _ in range(20)))
        assert len(backend.calls("initialize")) - before == 1


@pytest.mark.scenario("B-2")
@pytest.mark.parametrize(
    ("status", "body"),
    [
        (404, None),
        (400, b'{"jsonrpc":"2.0","error":{"code":-32000,"message":"Bad Request: No valid session ID"},"id":null}'),
        (400, b'{"jsonrpc": "2.0", "id": null, "error": {"code": -32000, "message": "unknown session"}}'),
        (400, b'{"jsonrpc": "2.0", "error": {"code": -32000, "message": "Session not found"}}'),
    ],
)
async def test_a_forgotten_session_is_healed_by_one_initialize_unseen_by_the_client(status, body):
    backend = ScriptedBackend(unknown_status=status)
    backend.unknown_body = body or b""
    async with scene({"one": backend}, config=QUIET) as world, world.session() as client:
        await client.call("one_echo")
        before = len(backend.calls("initialize"))
        backend.forget_sessions()
        results = await asyncio.gather(*(client.call("one_echo") for _ in range(5)))
        assert all("isError" not in result for result in results), results
        assert len(backend.calls("initialize")) - before == 1


@pytest.mark.scenario("B-2")
async def test_a_backend_that_forgets_every_session_at_once_is_not_asked_for_ever():
    backend = ScriptedBackend()

    async def forget(call):
        backend.forget_sessions()
        raise Status(404)

    async with scene({"one": backend}, config=QUIET) as world, world.session() as client:
        await client.call("one_echo")
        backend.handlers["tools/call"] = forget
        result = await client.call("one_echo")
        assert result["isError"]
        assert len(backend.calls("tools/call")) == 4


@pytest.mark.scenario("B-2")
async def test_a_backend_that_forgets_its_sessions_twice_within_one_call_is_asked_a_third_time():
    backend = ScriptedBackend()

    async def forget_twice(call):
        if len(backend.calls("tools/call")) < 4:
            backend.forget_sessions()
            raise Status(404)
        return text("ran")

    async with scene({"one": backend}, config=QUIET) as world, world.session() as client:
        await client.call("one_echo")
        backend.handlers["tools/call"] = forget_twice
        assert (await client.call("one_echo"))["content"][0]["text"] == "ran"


@pytest.mark.scenario("B-2")
@pytest.mark.parametrize("warm", [False, True])
async def test_a_call_that_may_have_run_is_never_sent_twice(warm):
    backend = ScriptedBackend()

    async def die(call):
        raise Die

    async with scene({"one": backend}, config=QUIET) as world, world.session() as client:
        await client.names()
        if warm:
            await client.call("one_echo")
        backend.handlers["tools/call"] = die
        before = len(backend.calls("tools/call"))
        result = await client.call("one_echo")
        assert len(backend.calls("tools/call")) - before == 1
        assert result["isError"]
        assert "'one'" in result["content"][0]["text"]
        assert result["_meta"] == {"vmcp.dev/backend": "one", "vmcp.dev/category": "failed"}
        assert "127.0.0.1" not in str(result)


async def test_a_stream_that_ends_before_the_answer_is_an_error_and_no_second_call():
    backend = ScriptedBackend()

    @backend.on("tools/call")
    async def half(call):
        await call.notify("notifications/x", a=1)
        raise Die

    async with scene({"one": backend}, config=QUIET) as world, world.session() as client:
        result = await client.call("one_echo")
        assert result["isError"]
        assert len(backend.calls("tools/call")) == 1


async def test_a_backends_own_error_is_relayed_as_it_came():
    backend = ScriptedBackend()

    @backend.on("tools/call")
    async def refuse(call):
        raise Refusal(-32123, "own words about a session", {"why": [1, None]})

    async with scene({"one": backend}, config=QUIET) as world, world.session() as client:
        answer = await client.request("tools/call", {"name": "one_echo"})
        assert answer["error"] == {"code": -32123, "message": "own words about a session", "data": {"why": [1, None]}}


@pytest.mark.parametrize(
    ("method", "params"),
    [("resources/read", {"uri": "test://r"}), ("prompts/get", {"name": "one_p"})],
)
async def test_a_dead_backend_is_a_protocol_error_for_everything_but_tools(method, params):
    backend = ScriptedBackend(resources=[{"uri": "test://r", "name": "r"}], prompts=[{"name": "p"}])

    async def refuse(call):
        raise Status(503)

    backend.handlers[method] = refuse
    async with scene({"one": backend}, config=QUIET) as world, world.session() as client:
        error = (await client.request(method, params))["error"]
        assert error["code"] == -32603
        assert error["data"] == {"vmcp.dev/backend": "one", "vmcp.dev/category": "failed"}
        assert len(backend.calls(method)) == 1


@pytest.mark.scenario("B-3")
async def test_a_call_that_takes_too_long_is_cancelled_upstream_and_names_its_backend():
    slow, quick = ScriptedBackend(), ScriptedBackend()
    hold = asyncio.Event()

    async def hang(call):
        await hold.wait()
        return text("late")

    slow.handlers["tools/call"] = quick.handlers["tools/call"] = hang
    config = operational(timeouts={"default": "10s", "perWorkload": {"slow": "200ms"}})
    async with scene({"slow": slow, "quick": quick}, config=config) as world, world.session() as client:
        other = asyncio.create_task(client.call("quick_echo"))
        result = await client.call("slow_echo")
        assert result["isError"]
        assert result["_meta"] == {"vmcp.dev/backend": "slow", "vmcp.dev/category": "timeout"}
        called = slow.calls("tools/call")[0]
        # On a busy machine a list of the proxy's own may have been cut too, in another session.
        await eventually(
            lambda: (
                (called.session, called.message["id"])
                in [
                    (each.session, each.message["params"]["requestId"])
                    for each in slow.calls("notifications/cancelled")
                ]
            )
        )
        hold.set()
        assert (await other)["content"][0]["text"] == "late"


@pytest.mark.scenario("B-3")
async def test_progress_keeps_a_call_alive_beyond_its_timeout():
    backend = ScriptedBackend()

    @backend.on("tools/call")
    async def steps(call):
        loop = asyncio.get_running_loop()
        over = loop.time() + 1.3
        while (now := loop.time()) < over:
            await call.notify(
                "notifications/progress", progressToken=call.params["_meta"]["progressToken"], progress=now
            )
            await asyncio.sleep(0.02)
        return text("done")

    config = operational(timeouts={"default": "1s"})
    async with scene({"one": backend}, config=config) as world, world.session() as client:
        result = await client.call("one_echo", _meta={"progressToken": "p"})
        assert result["content"][0]["text"] == "done"


@pytest.mark.scenario("S-1")
async def test_a_backend_session_that_opens_while_its_client_session_ends_is_ended_too():
    backend = ScriptedBackend()
    hold, came = asyncio.Event(), asyncio.Event()

    async def slowly(call):
        came.set()
        await hold.wait()
        return text("x")

    async with scene({"one": backend}, config=QUIET) as world, world.session() as client:
        await client.names()
        own = set(backend.sessions)
        backend.handlers["notifications/initialized"] = slowly
        calling = asyncio.create_task(client.request("tools/call", {"name": "one_echo"}))
        await came.wait()
        assert await client.delete() == 204
        hold.set()
        await calling
        await eventually(lambda: backend.sessions == own)


async def test_a_backend_session_that_opens_while_its_backend_is_replaced_is_ended():
    backend, next_one = ScriptedBackend(), ScriptedBackend()
    hold, came = asyncio.Event(), asyncio.Event()

    async def slowly(call):
        came.set()
        await hold.wait()
        return text("x")

    async with next_one.running(), scene({"one": backend}, config=QUIET) as world, world.session() as client:
        await client.names()
        backend.handlers["notifications/initialized"] = slowly
        calling = asyncio.create_task(client.request("tools/call", {"name": "one_echo"}))
        await came.wait()
        world.apply({"one": next_one})
        hold.set()
        await calling
        await eventually(lambda: not backend.sessions)


@pytest.mark.parametrize(
    ("host", "said"), [("127.0.0.1", "it refuses connections"), ("nowhere.invalid", "its name cannot be resolved")]
)
async def test_a_backend_that_is_not_there_is_told_apart_by_why_and_without_its_address(host, said):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        extra = (http_backend("one", port, url=f"http://{host}:{port}/secret-path"),)
        async with scene({}, extra=extra, config=QUIET) as world, world.session() as client:
            await client.names()
            (state,) = (await world.status())["backends"]
    assert state["status"] == "unhealthy"
    assert said in state["message"]
    assert not any(each in state["message"] for each in (host, str(port), "secret"))


@pytest.mark.scenario("B-1", "B-2", "H-1")
async def test_a_backend_of_the_first_http_transport_is_healed_by_one_new_session_and_gets_the_clients_headers():
    old = OldServer()
    async with old.server.running():
        extra = (http_backend("old", old.server.port, transport="sse", url=f"http://127.0.0.1:{old.server.port}/sse"),)
        async with (
            scene({}, extra=extra, passthroughHeaders=["X-Api-Key"], config=QUIET) as world,
            world.session(X_Api_Key="mine") as client,
        ):
            assert await client.names() == ["old_echo"]
            results = await asyncio.gather(*(client.call("old_echo") for _ in range(20)))
            assert {each["content"][0]["text"] for each in results} == {"echo"}
            mine = {each.target for each in old.server.of("POST", "tools/call")}
            assert len(mine) == 1
            assert {each.headers.get("x-api-key") for each in old.server.asked if each.target in mine} == {b"mine"}
            await old.cut()
            held = world.inside.clients[0]
            await eventually(lambda: held.links["old"].session._conversation.has_ended)
            assert (await client.call("old_echo"))["content"][0]["text"] == "echo"
            assert len({each.target for each in old.server.of("POST", "tools/call")}) == 2
            assert await client.delete() == 204


@pytest.mark.scenario("B-3")
async def test_a_program_that_hangs_from_its_start_is_unhealthy_after_the_bound_of_a_probe():
    command = [sys.executable, "-c", "import sys; sys.stdin.read()"]
    mute = {"name": "mute", "kind": "MCPServer", "transport": "stdio", "command": command}
    config = operational(failureHandling={"healthCheckTimeout": "300ms"}, timeouts={"list": "100ms"})
    async with scene({}, extra=(mute,), config=config) as world:
        member = world.inside.members["mute"]
        await eventually(lambda: member.health.state == "unhealthy")
        assert "has not come up yet" in (await world.status())["backends"][0]["message"]


PROGRAM = """
import json, sys
for line in sys.stdin:
    message = json.loads(line)
    result = {"initialize": {"protocolVersion": "2025-06-18", "capabilities": {"tools": {}},
                             "serverInfo": {"name": "p", "version": "1"}},
              "tools/list": {"tools": [{"name": "wait", "inputSchema": {"type": "object"}}]},
              "tools/call": {"content": [{"type": "text", "text": sys.argv[1]}]}}.get(message.get("method"), {})
    if message.get("method") == "tools/call":
        open(sys.argv[2] + ".came", "w").close()
        open(sys.argv[2]).read()
    if "id" in message and "method" in message:
        print(json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}), flush=True)
"""


async def test_a_reload_of_a_programs_config_lets_its_calls_finish(tmp_path):
    import os

    gate = tmp_path / "gate"
    os.mkfifo(gate)

    def config(word):
        command = [sys.executable, "-c", PROGRAM, word, str(gate)]
        return {"name": "local", "kind": "MCPServer", "transport": "stdio", "command": command}

    async with scene({}, extra=(config("before"),), config=QUIET) as world, world.session() as client:
        calling = asyncio.create_task(client.call("local_wait"))
        await eventually((tmp_path / "gate.came").exists)
        world.config["backends"] = [config("after")]
        world.apply()
        await asyncio.to_thread(gate.write_text, "go")
        assert (await calling)["content"][0]["text"] == "before"
        again = asyncio.create_task(client.call("local_wait"))
        await asyncio.to_thread(gate.write_text, "go")
        assert (await again)["content"][0]["text"] == "after"


@pytest.mark.scenario("B-2")
async def test_a_session_that_is_forgotten_in_the_middle_of_its_handshake_is_opened_again():
    backend = ScriptedBackend()

    async def forget_once(call):
        if len(backend.calls("notifications/initialized")) == 2:
            backend.sessions.discard(call.heard.session)
            raise Status(404)
        return {}

    backend.on("notifications/initialized")(forget_once)
    # The first handshake is the proxy's own, the second one that of this caller.
    async with (
        scene({"one": backend}, config=QUIET, passthroughHeaders=["X-Key"]) as world,
        world.session(x_key="k") as client,
    ):
        assert await client.names() == ["one_echo"]
        assert "isError" not in await client.call("one_echo")
    assert len(backend.calls("initialize")) == 3
