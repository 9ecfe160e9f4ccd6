"""What a session held when it ends: programs, streams at backends, calls in flight, the client's headers."""

import asyncio

import pytest

from tests.proxy.endpoint.helpers import QUIET, everything
from tests.support import heap
from tests.support.old_server import OldServer
from tests.support.programs import Noted
from tests.support.raw_client import eventually, initialize
from tests.support.scene import scene
from tests.support.scripted_backend import ScriptedBackend
from tests.support.serving import http_backend
from vmcp_proxy.pods.session_sharing import BetweenPods

CANARY = "canary-0d15ea5e"
ROOTS = {"roots": {}}


@pytest.mark.scenario("H-6", "B-13")
async def test_what_only_this_pod_could_go_on_with_ends_although_nobody_can_say_whether_its_session_has(
    own_redis, tmp_path
):
    """Sessions go idle while Redis is away, and it stays away."""
    program, old = Noted(tmp_path), OldServer()
    async with old.server.running():
        place = f"http://127.0.0.1:{old.server.port}/sse"
        extra = (program.config(), http_backend("old", old.server.port, transport="sse", url=place))
        storage = {"provider": "redis", "address": own_redis.address}
        async with scene(
            {}, extra=extra, config=QUIET, sessionStorage=storage, sessionManagement={"ttl": "1s"}
        ) as world:
            async with world.client() as client:
                await eventually(lambda: world.inside.store_is_available)
                await client.open(ROOTS)
                own = int((await client.call("one_who"))["content"][0]["text"])
                await client.call("old_echo")
            held = world.inside.clients[0]
            stream = held.links["old"].session
            own_redis.stop()
            assert program.alive(ROOTS) == [own]
            await eventually(lambda: not program.alive(ROOTS))
            await eventually(lambda: stream._conversation.has_ended)
            assert not world.inside.store_is_available
            assert program.alive({})


@pytest.mark.scenario("H-6", "S-5")
async def test_no_backend_is_heard_any_more_for_a_session_that_ends_while_its_stream_is_being_told_of(
    redis_server, monkeypatch
):
    backend = ScriptedBackend()
    told, may_go_on = asyncio.Event(), asyncio.Event()
    listens_here = BetweenPods.listens_here

    async def held_up(between, session):
        await listens_here(between, session)
        told.set()
        await may_go_on.wait()

    monkeypatch.setattr(BetweenPods, "listens_here", held_up)
    storage = {"provider": "redis", "address": redis_server.address}
    async with scene({"one": backend}, config=QUIET, sessionStorage=storage) as world:
        async with world.client() as client:
            await client.open()
            await client.call("one_echo")
            [held] = world.inside.clients
            async with client.listening():
                await told.wait()
                assert list(held.stream.listening) == ["one"]
                assert await client.delete() == 204
        await eventually(lambda: not held.stream.listening)
        telling = [task for task in asyncio.all_tasks() if task.get_name() == "tell where a stream is"]
        may_go_on.set()
        await asyncio.wait(telling)
        assert held.stream.listening == {}


@pytest.mark.scenario("H-6")
@pytest.mark.parametrize("in_flight", ["tools/call", "tools/list", "initialize", "resources/read"])
async def test_what_is_in_flight_ends_with_its_session_and_nothing_holds_the_clients_headers(in_flight):
    backend = everything()
    asked = asyncio.Event()

    @backend.on(in_flight)
    async def hang(call):
        if call.heard.headers.get("x-api-key") == CANARY:
            asked.set()
            await asyncio.Event().wait()
        return await type(backend)().result_for(call)

    requests = {"resources/read": {"uri": "test://a"}, "tools/call": {"name": "one_echo"}}
    async with scene({"one": backend}, config=QUIET, passthroughHeaders=["X-Api-Key"]) as world:
        async with world.client(x_api_key=CANARY) as client:
            await client.open()
            method = in_flight if in_flight != "initialize" else "tools/list"
            message = {"jsonrpc": "2.0", "id": "same", "method": method, "params": requests.get(method, {})}
            # A client may repeat an id: the first call under it is another one's as much as the last.
            async with client.sending(message) as first, client.sending(message) as second:
                await asked.wait()
                if method in requests:
                    await eventually(lambda: len(backend.calls(method)) == 2)
                assert await client.delete() == 204
                for answer in (await first, await second):
                    if method in requests:
                        error = answer.json()["error"]
                        assert (error["code"], "session has ended" in error["message"]) == (-32800, True)
            if method in requests:
                await eventually(lambda: len(backend.calls("notifications/cancelled")) == 2)
        del client, first, second, answer, message
        assert (await world.metrics())["vmcp_header_snapshots"] == 0
        await eventually(lambda: not heap.held_with(CANARY.encode()))
        async with world.session(x_api_key="another") as client:
            assert (await client.request("ping"))["result"] == {}


@pytest.mark.scenario("H-6", "S-4")
@pytest.mark.parametrize("version", ["2025-03-26", "2025-11-25"])
async def test_a_call_whose_client_has_gone_keeps_no_session_beyond_its_idle_time(version):
    backend = everything()
    asked = asyncio.Event()

    @backend.on("tools/call")
    async def hang(call):
        asked.set()
        await asyncio.Event().wait()

    settings = {"ttl": "1s", "maxLifetime": "1h"}
    async with scene({"one": backend}, config=QUIET, sessionManagement=settings) as world:
        inside = world.inside
        async with world.client() as staying, world.client() as leaving:
            for client in (staying, leaving):
                client.session = (await client.post(initialize(version))).headers["mcp-session-id"]
            call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "one_echo"}}
            call = [call] if version == "2025-03-26" else call
            async with staying.sending(call):
                async with leaving.sending(call):
                    await eventually(lambda: len(backend.calls("tools/call")) == 2)
                await eventually(lambda: inside.sessions == 1)
                await eventually(lambda: len(backend.calls("notifications/cancelled")) == 1)
                assert (await staying.request("ping"))["result"] == {}
