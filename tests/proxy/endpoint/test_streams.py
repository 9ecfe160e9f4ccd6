"""The GET stream, and what happens while the group changes under open sessions."""

import asyncio
import contextlib

import pytest

from tests.proxy.endpoint.helpers import QUIET
from tests.support.raw_client import eventually
from tests.support.scene import operational, scene
from tests.support.scripted_backend import ScriptedBackend, text, tool
from vmcp_proxy.core.catalog.capabilities import Capability
from vmcp_proxy.core.catalog.catalog import Catalog
from vmcp_proxy.protocol.kinds import Kind

TOOLS = "notifications/tools/list_changed"
PROMPTS = "notifications/prompts/list_changed"


@pytest.mark.scenario("A-14", "P-10")
async def test_a_burst_of_list_changed_is_told_once_to_the_sessions_whose_view_changed():
    backend, other = ScriptedBackend(), ScriptedBackend()
    async with (
        scene({"one": backend, "two": other}, config=QUIET) as world,
        world.session() as first,
        world.session() as second,
    ):
        await first.names()
        await second.names()
        await eventually(lambda: len(backend.streams) == len(other.streams) == 1)
        async with first.listening() as stream, second.listening() as quiet:
            await eventually(lambda: stream.comments and quiet.comments)
            backend.tools = [tool("echo"), tool("new")]
            for _ in range(5):
                backend.push(TOOLS)
            await stream.until(TOOLS)
            await quiet.until(TOOLS)
            assert await first.names() == ["one_echo", "one_new", "two_echo"]
            # A change that is none, then one that is: nothing else came between.
            backend.push(TOOLS)
            other.prompts = [{"name": "p"}]
            other.push(PROMPTS)
            await stream.until(PROMPTS)
            assert stream.methods == quiet.methods == [TOOLS, PROMPTS]
            assert (await first.call("one_new"))["content"]


@pytest.mark.scenario("A-14")
async def test_only_sessions_that_see_the_change_are_told():
    backend = ScriptedBackend()

    @backend.on("tools/list")
    async def by_key(call):
        more = extra if call.heard.headers.get("x-api-key") == "alice" else []
        return {"tools": [tool("echo"), *more]}

    extra = []
    async with (
        scene({"one": backend}, config=QUIET, passthroughHeaders=["X-Api-Key"]) as world,
        world.session(x_api_key="alice") as alice,
        world.session(x_api_key="bob") as bob,
    ):
        await alice.names()
        await bob.names()
        async with alice.listening() as hers, bob.listening() as his:
            await eventually(lambda: len(backend.streams) == 3)
            extra.append(tool("for_alice"))
            backend.push(TOOLS)
            await hers.until(TOOLS)
            extra.append(tool("for_alice_too"))
            backend.push(TOOLS)
            await hers.until(TOOLS, 2)
            assert his.methods == []
            assert await bob.names() == ["one_echo"]
            assert await alice.names() == ["one_echo", "one_for_alice", "one_for_alice_too"]


@pytest.mark.scenario("A-14")
async def test_what_changed_before_the_stream_opened_is_told_when_it_does():
    backend = ScriptedBackend()
    async with scene({"one": backend}, config=QUIET) as world, world.session() as client:
        await client.names()
        await eventually(lambda: backend.streams)
        backend.tools = []
        lists = len(backend.calls("tools/list"))
        backend.push(TOOLS)
        await eventually(lambda: len(backend.calls("tools/list")) > lists)
        async with client.listening() as stream:
            await stream.until(TOOLS)


@pytest.mark.scenario("A-14")
async def test_a_stream_hears_of_changes_though_its_session_has_listed_nothing_here():
    backend = ScriptedBackend()
    async with scene({"one": backend}, config=QUIET) as world, world.session() as client:
        await eventually(lambda: backend.streams)
        async with client.listening() as stream:
            inside = world.inside
            await eventually(lambda: inside.clients[0].stream.told)
            backend.tools = []
            backend.push(TOOLS)
            await stream.until(TOOLS)


async def test_what_a_backend_says_outside_of_calls_reaches_the_sessions_it_says_it_to():
    backend = ScriptedBackend()
    async with (
        scene({"one": backend}, config=QUIET) as world,
        world.session() as first,
        world.session() as second,
    ):
        await first.call("one_echo")
        (owner,) = {heard.session for heard in backend.calls("tools/call")}
        await second.call("one_echo")
        async with first.listening() as hers, second.listening() as his:
            await eventually(lambda: len(backend.streams) == 3)
            backend.push("notifications/message", session=owner, level="info", data="for the first")
            backend.push("notifications/x-custom", session=owner, k=1)
            await hers.until("notifications/x-custom")
            assert hers.messages[0]["params"] == {"level": "info", "data": "for the first", "logger": "one"}
            assert hers.messages[1]["params"] == {"k": 1}
            assert his.messages == []


@pytest.mark.scenario("C-3", "P-10")
async def test_a_stream_outlives_the_request_limit_is_kept_alive_and_gives_way_to_a_newer_one():
    backend = ScriptedBackend()
    hold = asyncio.Event()

    @backend.on("tools/call")
    async def hang(call):
        await hold.wait()
        return text("late")

    config = operational(timeouts={"maximum": "1s", "default": "30s"}, keepAliveInterval="150ms")
    async with scene({"one": backend}, config=config) as world, world.session() as client:
        async with client.listening() as stream:
            assert stream.response.headers["x-accel-buffering"] == "no"
            assert stream.response.headers["content-type"] == "text/event-stream"
            cut = await client.post(
                {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "one_echo"}},
                accept="application/json",
            )
            hold.set()
            assert cut.status_code == 200
            await eventually(lambda: len(stream.comments) > 4)
            assert not stream.ended
            async with client.listening() as newer:
                await eventually(lambda: stream.ended)
                await eventually(lambda: newer.comments)
                assert not newer.ended
                await client.delete()
                await eventually(lambda: newer.ended)
        assert (await client.send("GET", accept="application/json")).status_code == 406


@pytest.mark.scenario("S-10")
async def test_streams_end_with_a_hint_when_the_proxy_shuts_down():
    async with (
        scene({"one": ScriptedBackend()}) as world,
        world.session() as client,
        client.listening() as stream,
    ):
        await eventually(lambda: stream.comments)
        world.proxy.stop()
        await eventually(lambda: stream.ended)


@pytest.mark.scenario("A-14", "K-5")
async def test_a_backend_that_joins_or_leaves_is_told_to_open_sessions_and_takes_its_sessions_along():
    one, two = ScriptedBackend(), ScriptedBackend()
    async with two.running(), scene({"one": one}, config=QUIET) as world, world.session() as client:
        assert await client.names() == ["one_echo"]
        async with client.listening() as stream:
            await eventually(lambda: stream.comments)
            world.apply({"one": one, "two": two})
            await stream.until(TOOLS)
            assert await client.names() == ["one_echo", "two_echo"]
            await client.call("two_echo")
            await client.call("one_echo")
            await eventually(lambda: len(two.streams) == 2)
            kept = len(one.calls("initialize"))
            world.apply({"one": one})
            await stream.until(TOOLS, 2)
            assert await client.names() == ["one_echo"]
            assert (await client.request("tools/call", {"name": "two_echo"}))["error"]["code"] == -32602
            await eventually(lambda: not two.sessions)
            await eventually(lambda: not two.streams)
            await client.call("one_echo")
            assert len(one.calls("initialize")) == kept


@pytest.mark.scenario("K-5")
async def test_a_call_in_flight_to_a_backend_that_leaves_is_answered_before_its_session_ends():
    one = ScriptedBackend()
    came, hold = asyncio.Event(), asyncio.Event()

    @one.on("tools/call")
    async def slow(call):
        came.set()
        await hold.wait()
        return text("done" if call.heard.session in one.sessions else "cut")

    async with scene({"one": one}, config=QUIET) as world, world.session() as client:
        calling = asyncio.create_task(client.call("one_echo"))
        await came.wait()
        (used,) = {heard.session for heard in one.calls("tools/call")}
        world.apply({})
        await eventually(lambda: one.deletes)
        assert used in one.sessions
        hold.set()
        assert (await calling)["content"][0]["text"] == "done"
        await eventually(lambda: not one.sessions)


@pytest.mark.scenario("K-11")
async def test_new_static_headers_hold_at_once_and_the_backend_session_goes_on():
    one = ScriptedBackend()
    async with scene({"one": one}, config=QUIET) as world, world.session() as client:
        await client.call("one_echo")
        async with client.listening() as stream:
            await eventually(lambda: len(one.streams) == 2)
            document = dict(world.config["backends"][0])
            document["headerForward"] = {"addPlaintextHeaders": {"X-Static": "new"}}
            world.config["backends"] = [document]
            world.apply()
            await client.call("one_echo")
            old, new = one.calls("tools/call")
            assert "x-static" not in old.headers
            assert (new.headers["x-static"], new.session) == ("new", old.session)
            assert old.message["id"] != new.message["id"]
            await eventually(
                lambda: any(h.verb == "GET" and h.session == old.session and "x-static" in h.headers for h in one.heard)
            )
            await eventually(lambda: one.streams.count(old.session) == 1)
            one.push("notifications/x-custom", session=old.session)
            await stream.until("notifications/x-custom")


@pytest.mark.scenario("K-11")
async def test_a_backend_that_moves_gets_a_session_of_its_own_and_never_sees_the_old_id():
    old, new = ScriptedBackend(), ScriptedBackend()
    async with new.running(), scene({"one": old}, config=QUIET) as world, world.session() as client:
        await client.call("one_echo")
        ids = set(old.sessions)
        world.apply({"one": new})
        await client.names()
        await client.call("one_echo")
        assert not ids & {heard.session for heard in new.heard}
        await eventually(lambda: not old.sessions)


@pytest.mark.scenario("K-6")
async def test_a_new_limit_on_answers_holds_for_the_next_call():
    one = ScriptedBackend()

    @one.on("tools/call")
    async def long(call):
        return text("x" * 20_000)

    async with scene({"one": one}, config=QUIET) as world, world.session() as client:
        assert "isError" not in await client.call("one_echo")
        limits = {"responseBody": 10_000, "requestBody": 2_000}
        world.apply(config=operational(limits=limits))
        await client.names()
        result = await client.call("one_echo")
        assert result["_meta"]["vmcp.dev/category"] == "response_too_large"
        assert (await client.post({"jsonrpc": "2.0", "id": 1, "method": "x" * 3000})).status_code == 413


@pytest.mark.scenario("K-6", "A-14")
async def test_a_filter_edit_is_told_and_the_tool_is_gone():
    one = ScriptedBackend(tools=[tool("a"), tool("b")])
    async with scene({"one": one}, config=QUIET) as world, world.session() as client:
        assert await client.names() == ["one_a", "one_b"]
        async with client.listening() as stream:
            await eventually(lambda: stream.comments)
            world.apply(config={**QUIET, "aggregation": {"tools": [{"workload": "one", "filter": ["a"]}]}})
            await stream.until(TOOLS)
            assert await client.names() == ["one_a"]
            answer = await client.request("tools/call", {"name": "one_b"})
            assert answer["error"] == {"code": -32602, "message": "Unknown tool: one_b"}
            assert one.calls("tools/call") == []


@pytest.mark.scenario("A-14", "A-10")
async def test_sessions_hear_of_a_backends_changes_while_another_one_hangs():
    fine, hanging = ScriptedBackend(), ScriptedBackend()
    hold = asyncio.Event()

    @hanging.on("tools/list")
    async def hang(call):
        await hold.wait()
        return {"tools": []}

    config = operational(timeouts={"list": "500ms"}, failureHandling={"healthCheckInterval": "1h"})
    async with scene({"fine": fine, "hanging": hanging}, config=config) as world, contextlib.AsyncExitStack() as stack:
        clients = await asyncio.gather(*(stack.enter_async_context(world.session()) for _ in range(12)))
        streams = [await stack.enter_async_context(client.listening()) for client in clients]
        inside = world.inside
        await eventually(lambda: all(each.stream.told for each in inside.clients))
        fine.tools = []
        fine.push(TOOLS)
        for stream in streams:
            await stream.until(TOOLS)
        hold.set()


@pytest.mark.scenario("C-2")
async def test_a_view_that_crashes_costs_its_own_session_the_news_and_nobody_else():
    backend = ScriptedBackend()
    async with (
        scene({"one": backend}, config=QUIET) as world,
        world.session() as first,
        world.session() as second,
        first.listening() as broken,
        second.listening() as fine,
    ):
        clients = world.inside.clients
        await eventually(lambda: all(each.stream.told for each in clients))
        view, unlucky = world.inside.own("view"), clients[0]

        async def crash(caller):
            if caller.client is unlucky:
                raise RuntimeError("as a policy may")
            return await view(caller)

        with world.inside.replaced("view", crash):
            backend.tools = []
            backend.push(TOOLS)
            await fine.until(TOOLS)
        assert await first.names() == []
        assert broken.messages == []


@pytest.mark.scenario("A-14")
async def test_changes_that_follow_one_another_at_once_are_told_as_one():
    backend = ScriptedBackend()
    catalogs = [Catalog(tools=(Capability(Kind.TOOL, "t", "one", "t", b"%d" % number),)) for number in range(5)]
    async with (
        scene({"one": backend}, config=QUIET) as world,
        world.session() as client,
        client.listening() as stream,
    ):
        inside = world.inside
        held = inside.client
        await eventually(lambda: held.stream.told)
        seen = [catalogs[0]]

        async def view(caller):
            return seen[-1]

        with inside.replaced("view", view):
            for catalog in catalogs:
                seen.append(catalog)
                inside.announce_changes()
            await stream.until(TOOLS)
            held.stream.outbox.put(b'{"method":"mark"}')
            await stream.until("mark")
            assert stream.methods == [TOOLS, "mark"]
