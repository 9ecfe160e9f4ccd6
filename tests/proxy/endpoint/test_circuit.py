"""What clients, the status and the metrics see of a backend that is given up and comes back."""

import asyncio

import pytest

from tests.proxy.endpoint.breaking import (
    Fickle,
    guarded,
    let_fail,
    open_circuit,
    state_of,
    until_state,
)
from tests.support.raw_client import eventually
from tests.support.scene import operational, scene
from tests.support.scripted_backend import Refusal, ScriptedBackend, Status, text, tool

pytestmark = pytest.mark.usefixtures("doubts_are_settled_soon")

TOOLS = "notifications/tools/list_changed"
PROMPTS = "notifications/prompts/list_changed"
OUTCOMES = "vmcp.dev/serverOutcomes"


@pytest.mark.scenario("B-8", "A-14")
async def test_a_backend_that_keeps_failing_leaves_the_lists_and_comes_back_after_one_trial():
    backend, other = Fickle(prompts=[{"name": "ask"}]), ScriptedBackend()
    async with (
        scene({"one": backend, "two": other}, config=guarded(timeout="500ms")) as world,
        world.session() as client,
    ):
        assert await client.names() == ["one_echo", "two_echo"]
        assert (await state_of(world))["circuit"] == "closed"
        async with client.listening() as stream:
            await eventually(lambda: stream.comments)
            await open_circuit(world, client, backend)
            await stream.until(TOOLS)
            listed = await client.result("tools/list")
            assert [each["name"] for each in listed["tools"]] == ["two_echo"]
            assert listed["_meta"][OUTCOMES]["one"]["status"] == "circuit_open"
            assert "127.0.0.1" not in str(listed["_meta"])
            # Trials fail: nothing is told, nothing is listed.
            await eventually(lambda: len(backend.calls("ping")) >= 2)
            assert await client.names() == ["two_echo"]
            assert sorted(stream.methods) == [PROMPTS, TOOLS]
            backend.is_down = False
            await stream.until(TOOLS, 2)
            assert await client.names() == ["one_echo", "two_echo"]
            assert (await client.call("one_echo"))["content"]
            assert stream.methods.count(TOOLS) == 2
        assert (await state_of(world))["circuit"] == "closed"
        assert (await state_of(world))["status"] == "healthy"


@pytest.mark.scenario("B-8")
async def test_calls_to_an_open_circuit_fail_at_once_with_a_category_and_a_time_to_try_again():
    backend, other = Fickle(prompts=[{"name": "ask"}], resources=[{"uri": "test://a", "name": "a"}]), ScriptedBackend()
    config = guarded(timeout="40s")
    async with scene({"one": backend, "two": other}, config=config) as world, world.session() as client:
        await client.names()
        await open_circuit(world, client, backend)
        heard = len(backend.heard)
        result = await client.call("one_echo")
        prompt = await client.request("prompts/get", {"name": "one_ask"})
        read = await client.request("resources/read", {"uri": "test://a"})
        assert result["isError"]
        meta = result["_meta"]
        assert (meta["vmcp.dev/backend"], meta["vmcp.dev/category"]) == ("one", "circuit_open")
        assert 30 <= meta["vmcp.dev/retryAfterSeconds"] <= 40
        assert "try again in" in result["content"][0]["text"]
        for answer in (prompt, read):
            assert answer["error"]["code"] == -32603
            assert answer["error"]["data"]["vmcp.dev/category"] == "circuit_open"
            assert 30 <= answer["error"]["data"]["vmcp.dev/retryAfterSeconds"] <= 40
        assert len(backend.heard) == heard
        assert (await client.request("tools/call", {"name": "one_other"}))["error"]["code"] == -32602
        assert (await client.call("two_echo"))["content"]


@pytest.mark.scenario("B-8")
async def test_status_and_metrics_show_where_a_breaker_stands_and_only_where_it_is_on():
    backend, other = Fickle(), ScriptedBackend()
    async with (
        scene({"one": backend, "two": other}, config=guarded(timeout="300ms")) as world,
        world.session() as client,
    ):
        await client.names()
        await open_circuit(world, client, backend)
        await client.call("one_echo")
        state = await state_of(world)
        assert (state["status"], state["circuit"] in ("open", "half-open")) == ("unhealthy", True)
        assert "its circuit is open" in state["message"]
        metrics = await world.metrics()
        assert metrics['vmcp_circuit_state{backend="one"}'] in (1, 2)
        assert metrics['vmcp_circuit_state{backend="two"}'] == 0
        assert metrics['vmcp_circuit_transitions_total{backend="one",to="open"}'] >= 1
        assert metrics['vmcp_circuit_refused_total{backend="one"}'] >= 1
        assert metrics['vmcp_circuit_transitions_total{backend="two",to="open"}'] == 0
        backend.is_down = False
        await until_state(world, "closed")
        metrics = await world.metrics()
        assert metrics['vmcp_circuit_state{backend="one"}'] == 0
        assert metrics['vmcp_circuit_transitions_total{backend="one",to="half-open"}'] >= 1
        assert metrics['vmcp_circuit_transitions_total{backend="one",to="closed"}'] == 1
        world.apply(config=operational())
        assert "circuit" not in await state_of(world)
        assert not [name for name in await world.metrics() if name.startswith("vmcp_circuit_state{")]


@pytest.mark.scenario("B-8")
async def test_calls_in_flight_when_the_circuit_opens_are_answered():
    backend = Fickle(tools=[tool("echo"), tool("long")])
    hold = asyncio.Event()

    @backend.on("tools/call")
    async def answer(call):
        if call.params["name"] == "long":
            await hold.wait()
        return text("done")

    async with scene({"one": backend}, config=guarded()) as world, world.session() as client:
        await client.names()
        long = asyncio.create_task(client.call("one_long"))
        await eventually(lambda: backend.calls("tools/call"))
        await open_circuit(world, client, backend)
        assert (await state_of(world))["circuit"] == "open"
        hold.set()
        assert (await long)["content"] == [{"type": "text", "text": "done"}]
        assert (await state_of(world))["circuit"] == "open"


@pytest.mark.scenario("B-8")
async def test_one_trial_at_a_time_decides_and_the_others_are_refused_meanwhile():
    backend = Fickle()
    come, hold = asyncio.Event(), asyncio.Event()

    async def slow_ping(call):
        come.set()
        await hold.wait()
        return {}

    async with scene({"one": backend}, config=guarded(timeout="200ms")) as world, world.session() as client:
        await client.names()
        await open_circuit(world, client, backend)
        backend.handlers["ping"] = slow_ping
        backend.is_down = False
        await come.wait()
        assert (await state_of(world))["circuit"] == "half-open"
        calls = len(backend.calls("tools/call"))
        pings = len(backend.calls("ping"))
        refused = await asyncio.gather(*(client.call("one_echo") for _ in range(10)))
        assert {each["_meta"]["vmcp.dev/category"] for each in refused} == {"circuit_open"}
        assert {each["_meta"]["vmcp.dev/retryAfterSeconds"] for each in refused} == {1}
        assert await client.names() == []
        assert len(backend.calls("tools/call")) == calls
        assert len(backend.calls("ping")) == pings
        hold.set()
        await until_state(world, "closed")
        assert await client.names() == ["one_echo"]


@pytest.mark.scenario("B-8")
async def test_probes_alone_open_and_close_it():
    backend = ScriptedBackend()
    down = False

    @backend.on("ping")
    async def ping(call):
        if down:
            raise Status(503)
        return {}

    config = guarded(2, timeout="100ms", healthCheckInterval="50ms")
    async with scene({"one": backend}, config=config) as world, world.session() as client:
        assert await client.names() == ["one_echo"]
        down = True
        await until_state(world, "open")
        assert await client.names() == []
        down = False
        await until_state(world, "closed")
        assert await client.names() == ["one_echo"]


@pytest.mark.scenario("B-8")
async def test_edits_of_the_breaker_hold_at_once_and_keep_what_is_known():
    backend = Fickle()
    async with scene({"one": backend}, config=guarded(5)) as world, world.session() as client:
        await client.names()
        await let_fail(client, backend, 2)
        world.apply(config=guarded(3, timeout="50s"))
        await until_state(world, "open")
        world.apply(config=guarded(9, timeout="40s"))
        assert (await state_of(world))["circuit"] == "open"
        assert (await client.call("one_echo"))["_meta"]["vmcp.dev/retryAfterSeconds"] <= 40
        world.apply(config=operational(failureHandling={"healthCheckInterval": "1h"}))
        assert (await client.call("one_echo"))["_meta"]["vmcp.dev/category"] == "failed"
        backend.is_down = False
        assert (await client.call("one_echo"))["content"]


@pytest.mark.scenario("B-8", "B-9")
async def test_where_all_or_none_are_served_an_open_circuit_closes_the_whole_endpoint():
    backend, other = Fickle(), ScriptedBackend()
    config = guarded(timeout="300ms", partialFailureMode="fail", unhealthyThreshold=100)
    async with scene({"one": backend, "two": other}, config=config) as world, world.session() as client:
        assert await client.names() == ["one_echo", "two_echo"]
        await open_circuit(world, client, backend)
        for method, params in (("tools/list", {}), ("tools/call", {"name": "two_echo"})):
            error = (await client.request(method, params))["error"]
            assert error["code"] == -32603
            assert "'one' is unhealthy" in error["message"]
        backend.is_down = False
        await until_state(world, "closed")
        assert await client.names() == ["one_echo", "two_echo"]


@pytest.mark.scenario("B-10")
async def test_probes_carry_the_backends_own_headers_never_a_clients_and_ask_for_no_lists():
    canary = "canary-6f2d"
    backend = ScriptedBackend()
    own = {"headerForward": {"addPlaintextHeaders": {"X-Own": "static"}}}
    config = guarded(healthCheckInterval="30ms")
    async with (
        scene({"one": backend}, more={"one": own}, config=config, passthroughHeaders=["X-Api-Key"]) as world,
        world.session(x_api_key=canary, authorization=f"Bearer {canary}") as client,
    ):
        await client.names()
        await client.call("one_echo")
        lists = len(backend.calls("tools/list"))
        seen = len(backend.calls("ping"))
        await eventually(lambda: len(backend.calls("ping")) >= seen + 10)
        assert len(backend.calls("tools/list")) == lists
        for probe in backend.calls("ping"):
            assert probe.headers["x-own"] == "static"
            assert canary not in str(probe.headers)
            assert "params" not in probe.message
        calls = backend.calls("tools/call")
        assert [each.headers["x-api-key"] for each in calls] == [canary]
        assert {each.session for each in calls}.isdisjoint(each.session for each in backend.calls("ping"))


@pytest.mark.scenario("B-10")
async def test_a_backend_that_knows_only_its_clients_serves_them_and_stays_unauthenticated():
    backend = ScriptedBackend()

    async def guard(call):
        if "x-api-key" not in call.heard.headers:
            raise Status(401)
        return await ScriptedBackend().result_for(call)

    for method in ("tools/list", "ping"):
        backend.on(method)(guard)
    backend.offers = {"tools": {}}

    def own_requests():
        return [each for each in backend.calls("tools/list") if "x-api-key" not in each.headers]

    async with (
        scene(
            {"one": backend}, config=guarded(1, healthCheckInterval="30ms"), passthroughHeaders=["X-Api-Key"]
        ) as world,
        world.session(x_api_key="alice") as client,
    ):
        seen = set()
        for _ in range(5):
            assert await client.names() == ["one_echo"]
            assert (await client.call("one_echo"))["content"]
            state = await state_of(world)
            seen.add((state["status"], state["circuit"]))
            enough = len(own_requests()) + 2
            await eventually(lambda enough=enough: len(own_requests()) >= enough)
        assert seen == {("unauthenticated", "closed")}


@pytest.mark.scenario("B-10")
async def test_a_backend_that_does_not_know_ping_is_alive():
    backend = ScriptedBackend()

    @backend.on("ping")
    async def refuse(call):
        raise Refusal(-32601, "Method not found")

    config = guarded(1, healthCheckInterval="30ms")
    async with scene({"one": backend}, config=config) as world:
        await eventually(lambda: len(backend.calls("ping")) >= 5)
        state = await state_of(world)
        assert (state["status"], state["circuit"], state["message"]) == ("healthy", "closed", "")


async def test_a_call_by_a_name_of_a_backend_that_is_down_says_so_and_a_recovered_one_answers():
    backend = Fickle()
    config = operational(failureHandling={"healthCheckInterval": "50ms", "unhealthyThreshold": 1})
    async with scene({"one": backend}, config=config) as world, world.session() as client:
        assert await client.names() == ["one_echo"]
        backend.is_down = True
        world.inside.invalidate_lists("one")
        async with asyncio.timeout(10):
            while await client.names():  # noqa: ASYNC110 - a list has no event
                await asyncio.sleep(0.01)
        assert (await client.call("one_echo"))["_meta"]["vmcp.dev/category"] == "failed"
        assert (await client.request("tools/call", {"name": "one_nothing"}))["error"]["code"] == -32602
        backend.is_down = False
        assert (await client.call("one_echo"))["content"]
