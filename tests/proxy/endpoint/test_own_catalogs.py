"""Callers who each see a catalog of their own, and together more than may be kept (ADR-0067)."""

import asyncio
import contextlib
import json

import pytest

from tests.proxy.endpoint.helpers import QUIET, everything
from tests.proxy.endpoint.test_layers import counted
from tests.support import heap
from tests.support.callers import ByClaims, token_of
from tests.support.eras import Era
from tests.support.modern_backend import ModernBackend
from tests.support.raw_client import RawClient, eventually
from tests.support.scene import operational, scene
from tests.support.scripted_backend import Call, ScriptedBackend, Status, text, tool

TOOLS = "notifications/tools/list_changed"
UPDATED = "notifications/resources/updated"
HEADERS = ["X-Tenant"]
LIMIT = 200_000
"""Room for what three callers see."""

PAGE = "ui://board/main"


def tight(limit: int = LIMIT, **more) -> dict:
    """The config of a proxy that keeps little."""
    quiet = QUIET["operational"]
    return {**operational(**quiet, limits={"catalogBytes": limit}), **more}


def tenants(size: int = 20_000, **more) -> ScriptedBackend:
    """A backend that lists other tools for each tenant, and says who has called what."""
    backend = ScriptedBackend(**more)

    @backend.on("tools/list")
    async def own(call: Call) -> dict:
        who = call.heard.headers.get("x-tenant", "nobody")
        filler = {**tool("filler"), "description": f"canary of {who} " + "x" * size}
        return {"tools": [*backend.tools, tool(f"about_{who}"), filler]}

    @backend.on("tools/call")
    async def answer(call: Call) -> dict:
        return text(json.dumps([call.heard.headers.get("x-tenant"), call.params["name"]]))

    return backend


def asked(backend: ScriptedBackend, who: str) -> int:
    return len([each for each in backend.calls("tools/list") if each.headers.get("x-tenant") == who])


async def kept(world) -> float:
    return (await world.metrics())["vmcp_catalog_kept_bytes"]


async def crowd(world, stack: contextlib.AsyncExitStack, count: int = 8, first: int = 0) -> list[RawClient]:
    """Clients of so many tenants, who have all listed their tools; what the earliest saw has given way."""
    clients = []
    for number in range(first, first + count):
        clients.append(await stack.enter_async_context(world.session(x_tenant=f"t{number}")))
        await clients[-1].names()
    return clients


@pytest.mark.usefixtures("both_eras")
@pytest.mark.scenario("H-6")
async def test_what_many_callers_see_is_bounded_and_each_goes_on_to_see_and_call_its_own():
    backend = tenants()
    async with (
        scene({"one": backend}, config=tight(), passthroughHeaders=HEADERS) as world,
        contextlib.AsyncExitStack() as stack,
    ):
        clients = await crowd(world, stack)
        assert 0 < await kept(world) <= LIMIT
        assert (await world.metrics())["vmcp_catalog_dropped_total"] > 0
        assert not heap.held_with(b"canary of t0 ", b"canary of t1 ", b"canary of t2 ")
        assert heap.held_with(b"canary of t7 ")
        for number, client in enumerate(clients):
            who = f"t{number}"
            called = await client.call(f"one_about_{who}")
            assert json.loads(called["content"][0]["text"]) == [who, f"about_{who}"]
            assert await client.names() == [f"one_about_{who}", "one_echo", "one_filler"]
            other = f"one_about_t{number ^ 1}"
            refused = await client.request("tools/call", {"name": other, "arguments": {}})
            assert "error" in refused
            assert await kept(world) <= LIMIT


@pytest.mark.usefixtures("both_eras")
async def test_callers_who_see_the_same_hold_one_copy():
    backend = ScriptedBackend(tools=[{**tool("echo"), "description": "x" * 50_000}])
    async with (
        scene({"one": backend}, config=tight(), passthroughHeaders=HEADERS) as world,
        contextlib.AsyncExitStack() as stack,
    ):
        clients = await crowd(world, stack, 12)
        assert await kept(world) <= LIMIT
        assert (await world.metrics())["vmcp_catalog_dropped_total"] == 0
        before = len(backend.calls("tools/list"))
        for client in clients:
            await client.call("one_echo")
            await client.names()
        assert len(backend.calls("tools/list")) == before


@pytest.mark.usefixtures("both_eras")
async def test_policies_take_away_from_callers_who_then_see_the_same_one_copy():
    policies = ['permit(principal, action, resource) unless { resource == Tool::"one_secret" };']
    backend = ScriptedBackend(tools=[tool("secret"), *(tool(f"t{number}") for number in range(100))])
    config = {"authorization": {"policies": policies}, "name": "p"}
    async with scene({"one": backend}, config=tight(), **config) as world:
        with world.inside.authenticated_by(ByClaims()):
            world.apply()
            for number in range(8):
                async with world.session(authorization=token_of(f"u{number}")) as client:
                    assert len(await client.names()) == 100
            assert (await world.metrics())["vmcp_catalog_dropped_total"] == 0


@pytest.mark.usefixtures("both_eras")
async def test_a_list_that_is_larger_than_all_that_may_be_kept_is_served_and_not_kept():
    backend = tenants(size=2 * LIMIT)
    async with (
        scene({"one": backend}, config=tight(), passthroughHeaders=HEADERS) as world,
        world.session(x_tenant="t0") as client,
    ):
        for _ in range(3):
            assert await client.names() == ["one_about_t0", "one_echo", "one_filler"]
            assert (await client.call("one_about_t0"))["content"]
        assert await kept(world) == 0
        assert not heap.held_with(b"canary of t0 ")
        assert asked(backend, "t0") >= 3


async def test_searches_find_what_their_caller_sees_after_it_has_given_way(both_eras):
    backend = tenants()
    config = tight(optimizer={"threshold": 1})
    # Others in each era: the threads of searches keep the last of what they have worked on for a while.
    first = 20 if both_eras is Era.LEGACY else 40
    async with (
        scene({"one": backend}, config=config, passthroughHeaders=HEADERS) as world,
        contextlib.AsyncExitStack() as stack,
    ):
        clients = await crowd(world, stack, first=first)
        assert not heap.held_with(b"canary of t%d " % first)
        for number in (0, 1):
            answer = await clients[number].call("find_tool", {"query": f"about_t{first + number}"})
            names = [each["name"] for each in answer["structuredContent"]["tools"]]
            assert f"one_about_t{first + number}" in names
            assert f"one_about_t{first + 1 - number}" not in names
        assert await kept(world) <= LIMIT


@pytest.mark.scenario("A-14")
async def test_clients_hear_of_changes_after_what_they_saw_has_given_way_and_of_none_that_are_not():
    backend = tenants(size=2 * LIMIT)
    async with (
        scene({"one": backend}, config=tight(), passthroughHeaders=HEADERS) as world,
        contextlib.AsyncExitStack() as stack,
    ):
        first, second = await crowd(world, stack, 2)
        one, two = [await stack.enter_async_context(client.listening()) for client in (first, second)]
        await eventually(lambda: one.comments and two.comments and len(backend.streams) == 3)
        await eventually(lambda: not heap.held_with(b"canary of t0 ", b"canary of t1 "))
        # Only the proxy's own stream says so, and it is true of all.
        backend.tools = [tool("echo"), tool("new")]
        backend.push(TOOLS)
        await one.until(TOOLS)
        await two.until(TOOLS)
        for _ in range(3):
            # Nothing is another one: what is read again is what the client knows.
            assert await first.names() == ["one_about_t0", "one_echo", "one_filler", "one_new"]
            assert await second.names() == ["one_about_t1", "one_echo", "one_filler", "one_new"]
        backend.tools = [tool("echo")]
        backend.push(TOOLS)
        await one.until(TOOLS, 2)
        await two.until(TOOLS, 2)
        assert await first.names() == ["one_about_t0", "one_echo", "one_filler"]
        assert [stream.methods.count(TOOLS) for stream in (one, two)] == [2, 2]
        assert await kept(world) == 0


@pytest.mark.parametrize("owners", ["c", "ac"], ids=["its own", "one for each"])
async def test_updates_of_what_was_subscribed_to_come_under_its_uri_after_the_catalog_has_given_way(owners):
    page = {"uri": PAGE, "name": "board", "mimeType": "text/html;profile=mcp-app"}
    backends = {name: tenants(2 * LIMIT, resources=[page] if name in owners else []) for name in ("a", "c")}
    known = PAGE if owners == "c" else "ui://vmcp.dev/c/board/main"
    for backend in backends.values():
        backend.offers["resources"] = {"subscribe": True}

        @backend.on("resources/subscribe")
        async def subscribe(_call: Call) -> dict:
            return {}

    async with (
        scene(backends, config=tight(), passthroughHeaders=HEADERS) as world,
        world.session(x_tenant="t0") as client,
    ):
        await client.result("resources/subscribe", {"uri": known})
        async with client.listening() as stream:
            session = backends["c"].calls("resources/subscribe")[0].session
            await eventually(lambda: session in backends["c"].streams)
            await eventually(lambda: not heap.held_with(b"canary of t0 "))
            backends["c"].push(UPDATED, session, uri=PAGE)
            [message] = await stream.until(UPDATED)
            assert message["params"]["uri"] == known


@pytest.mark.scenario("P-2")
async def test_how_long_a_list_may_be_kept_is_right_after_it_has_given_way(monkeypatch):
    monkeypatch.setattr("tests.support.eras.current", Era.MODERN)
    backend = ModernBackend(ttl=60_000, tools=[{**tool("echo"), "description": "x" * LIMIT}])
    async with (
        scene({"one": backend}, config=tight(), passthroughHeaders=HEADERS) as world,
        world.client(x_tenant="t0") as client,
    ):
        for _ in range(3):
            said = await client.result("tools/list")
            assert 0 < said["ttlMs"] <= 60_000
            assert said["cacheScope"] == "private"
        assert await kept(world) == 0


async def test_who_lists_at_the_same_time_is_served_however_little_is_kept():
    backend = tenants(size=50_000)
    async with (
        scene({"one": backend}, config=tight(60_000), passthroughHeaders=HEADERS) as world,
        contextlib.AsyncExitStack() as stack,
    ):
        clients = [await stack.enter_async_context(world.session(x_tenant=f"t{number}")) for number in range(6)]
        for _ in range(3):
            seen = await asyncio.gather(*(client.names() for client in clients))
            for number, names in enumerate(seen):
                assert names == [f"one_about_t{number}", "one_echo", "one_filler"]


async def test_another_limit_holds_from_the_reload_on():
    backend = tenants()
    async with (
        scene({"one": backend}, config=tight(10 * LIMIT), passthroughHeaders=HEADERS) as world,
        contextlib.AsyncExitStack() as stack,
    ):
        clients = await crowd(world, stack)
        assert await kept(world) > LIMIT
        world.apply(config=tight())
        assert await kept(world) <= LIMIT
        assert await clients[0].names() == ["one_about_t0", "one_echo", "one_filler"]


KINDS = ["tools", "resources", "resourceTemplates", "prompts"]


@pytest.mark.usefixtures("both_eras")
@pytest.mark.scenario("A-14")
async def test_who_lists_is_told_all_though_a_call_gave_up_waiting_for_what_had_given_way():
    backend = everything()
    go = asyncio.Event()
    go.set()

    @backend.on("tools/list")
    async def slow(call: Call) -> dict:
        if "x-tenant" not in call.heard.headers:
            return {"tools": backend.tools}
        await go.wait()
        return {"tools": [{**tool("own"), "description": "x" * 2000}]}

    config = tight(1024)
    config["operational"] |= {"timeouts": {"list": "50ms"}}
    async with (
        scene({"one": backend}, config=config, passthroughHeaders=HEADERS) as world,
        world.session(x_tenant="a") as client,
        world.session(x_tenant="a") as other,
    ):
        async with asyncio.timeout(45):
            while await client.names() != ["one_own"]:  # noqa: ASYNC110 - a list has no event to wait on
                await asyncio.sleep(0.02)
        whole = [await client.names(kind) for kind in KINDS]
        epoch = world.inside.epoch
        missed = world.inside.deadlines_missed("one")
        go.clear()
        async with client.sending(client.asking("tools/call", {"name": "one_own", "arguments": {}})) as answer:
            await eventually(lambda: world.inside.deadlines_missed("one") > missed)
            lists = [asyncio.create_task(each.names(kind)) for each in (client, other) for kind in KINDS]
            done, _ = await asyncio.wait(lists, timeout=0.2)
            assert not done
            assert not answer.done()
            go.set()
            assert await asyncio.gather(*lists) == [*whole, *whole]
            assert not client.read(await answer)["result"].get("isError")
        assert world.inside.epoch == epoch, "nothing is another one, and nobody is told of a change"


@pytest.mark.usefixtures("both_eras")
async def test_what_a_caller_was_told_before_its_lists_failed_is_known_while_others_crowd_what_is_kept():
    refused: set[str] = set()
    backend = tenants()
    backend.offers = {"tools": {"listChanged": True}}
    own = backend.handlers["tools/list"]

    @backend.on("tools/list")
    async def sometimes(call: Call) -> dict:
        if call.heard.headers.get("x-tenant") in refused:
            raise Status(500)
        return await own(call)

    config = tight()
    config["operational"] |= {"failureHandling": {"healthCheckInterval": "1h", "unhealthyThreshold": 1}}
    async with (
        scene({"one": backend}, config=config, passthroughHeaders=HEADERS) as world,
        contextlib.AsyncExitStack() as stack,
    ):
        [client] = await crowd(world, stack, 1)
        await eventually(lambda: backend.streams)
        refused.add("t0")
        backend.tools = [tool("echo"), tool("new")]
        backend.push(TOOLS)
        async with asyncio.timeout(45):
            while "one_about_t0" in await client.names():  # noqa: ASYNC110 - a list has no event to wait on
                await asyncio.sleep(0.02)
        for first in range(1, 13):
            await crowd(world, stack, 1, first)
            called = await client.call("one_about_t0")
            assert json.loads(called["content"][0]["text"]) == ["t0", "about_t0"]
            assert await kept(world) <= LIMIT
        assert (await world.metrics())["vmcp_catalog_dropped_total"] > 0


@pytest.mark.usefixtures("both_eras")
async def test_a_list_that_has_a_backend_asked_again_for_what_has_given_way_takes_a_token_and_one_at_hand_does_not():
    backend = tenants()
    config = tight(rateLimiting={"shared": {"maxTokens": 1000, "refillPeriod": "24h"}})
    async with (
        scene({"one": backend}, config=config, passthroughHeaders=HEADERS) as world,
        contextlib.AsyncExitStack() as stack,
    ):

        async def taken() -> float:
            return sum(counted(await world.metrics(), "vmcp_rate_limit_decisions_total").values())

        clients = await crowd(world, stack)
        for client in clients:
            await client.names()
        client = clients[0]
        before, times = await taken(), asked(backend, "t0")
        await client.names()
        assert asked(backend, "t0") == times + 1
        assert await taken() == before + 1
        await client.names()
        assert asked(backend, "t0") == times + 1
        assert await taken() == before + 1
