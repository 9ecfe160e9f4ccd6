"""Calls that may have failed by their own fault, and the probes that settle it (ADR-0025)."""

import asyncio

import pytest

from tests.proxy.endpoint.breaking import Fickle, guarded, let_fail, state_of, until_state
from tests.support.raw_client import eventually
from tests.support.scene import operational, scene
from tests.support.scripted_backend import Die, ScriptedBackend, Status, text, tool

pytestmark = pytest.mark.usefixtures("doubts_are_settled_soon")


@pytest.mark.scenario("B-8")
async def test_a_slow_tool_opens_no_circuit_and_a_backend_that_hangs_altogether_does():
    backend = ScriptedBackend(tools=[tool("echo"), tool("slow")])
    hold = asyncio.Event()

    @backend.on("tools/call")
    async def answer(call):
        if call.params["name"] == "slow":
            await hold.wait()
        return text("done")

    config = guarded(2, timeouts={"default": "600ms"}, healthCheckTimeout="600ms")
    async with scene({"one": backend}, config=config) as world, world.session() as client:
        await client.names()
        for _ in range(2):
            pings = len(backend.calls("ping"))
            slow = await asyncio.gather(*(client.call("one_slow") for _ in range(4)))
            assert {each["_meta"]["vmcp.dev/category"] for each in slow} == {"timeout"}
            await eventually(lambda pings=pings: len(backend.calls("ping")) > pings)
            assert (await state_of(world))["circuit"] == "closed"
            assert (await client.call("one_echo"))["content"]

        @backend.on("ping")
        async def hang(call):
            await hold.wait()
            return {}

        await client.call("one_slow")
        await until_state(world, "open")
        assert await client.names() == []
        hold.set()


@pytest.mark.scenario("B-8")
async def test_a_caller_whose_requests_are_refused_or_break_the_backend_opens_the_circuit_for_nobody():
    backend = ScriptedBackend()

    @backend.on("tools/call")
    async def refuse(call):
        if bad := call.params["arguments"].get("bad"):
            raise Die if bad == "die" else Status(bad)
        return text("fine")

    config = guarded(2, unhealthyThreshold=1, partialFailureMode="fail")
    async with scene({"one": backend}, config=config) as world, world.session() as client:
        await client.names()
        for bad in (400, 401, 403, 413, 429, 431, 500, 502, 503, "die") * 2:
            assert (await client.call("one_echo", {"bad": bad}))["isError"]
            assert (await state_of(world))["status"] != "unhealthy"
        assert (await client.call("one_echo"))["content"] == [{"type": "text", "text": "fine"}]
        assert await client.names() == ["one_echo"]
        assert (await world.metrics())['vmcp_circuit_transitions_total{backend="one",to="open"}'] == 0


@pytest.mark.scenario("B-8")
async def test_a_backend_that_fails_a_call_is_probed_at_once_also_without_a_breaker():
    backend = Fickle()
    config = operational(failureHandling={"healthCheckInterval": "1h", "unhealthyThreshold": 1})
    async with scene({"one": backend}, config=config) as world, world.session() as client:
        assert await client.names() == ["one_echo"]
        await let_fail(client, backend, 1)
        async with asyncio.timeout(10):
            while (await state_of(world))["status"] != "unhealthy":  # noqa: ASYNC110 - the status has no event
                await asyncio.sleep(0.01)
