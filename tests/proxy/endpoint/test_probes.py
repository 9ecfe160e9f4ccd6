"""What the proxy asks backends of its own accord: little, in its own name, and within bounds of what comes back."""

import asyncio
import contextlib
from collections import Counter

import pytest

from tests.proxy.endpoint.helpers import QUIET, everything
from tests.support.raw_client import eventually
from tests.support.scene import operational, scene
from tests.support.scripted_backend import ScriptedBackend, Status, text

OFTEN = {"healthCheckInterval": "100ms", "unhealthyThreshold": 2}


@pytest.mark.scenario("B-10")
async def test_probes_are_pings_with_the_backends_own_headers_and_never_a_clients():
    backend = everything()
    static = {"one": {"headerForward": {"addPlaintextHeaders": {"X-Static": "own"}}}}
    async with (
        scene(
            {"one": backend}, more=static, config=operational(failureHandling=OFTEN), passthroughHeaders=["X-Api-Key"]
        ) as world,
        world.session(x_api_key="canary") as client,
    ):
        await client.names()
        await client.call("one_echo")
        before = len(backend.heard)
        await eventually(lambda: len(backend.calls("ping")) >= 5)
        probes = backend.heard[before:]
        assert Counter((each.verb, each.method) for each in probes).keys() == {("POST", "ping")}
        for each in probes:
            assert each.headers["x-static"] == "own"
            assert "x-api-key" not in each.headers
        clients = {each.session for each in backend.calls("tools/call")}
        assert not clients & {each.session for each in probes}


@pytest.mark.scenario("B-10")
async def test_a_probe_finds_a_backend_that_breaks_and_one_that_is_mended_without_any_call():
    backend = ScriptedBackend()
    async with scene({"one": backend}, config=operational(failureHandling=OFTEN)) as world:

        async def becomes(status):
            async with asyncio.timeout(10):
                while (await world.status())["backends"][0]["status"] != status:  # noqa: ASYNC110 - nobody announces it
                    await asyncio.sleep(0.02)

        await becomes("healthy")

        @backend.on("ping")
        async def refuse(call):
            raise Status(503)

        await becomes("unhealthy")
        backend.handlers.clear()
        await becomes("healthy")
        assert backend.calls("tools/call") == []


@pytest.mark.scenario("B-4")
@pytest.mark.parametrize("piece", [b"x" * 60_000, b"data: " + b"x" * 60_000 + b"\n"], ids=["no newline", "one event"])
async def test_an_endless_event_is_given_up_at_the_cap_and_the_next_call_works(piece):
    backend = ScriptedBackend()
    sent = []

    @backend.on("tools/call")
    async def pour(call):
        await call.say({"jsonrpc": "2.0", "method": "notifications/x"})
        with contextlib.suppress(ConnectionError):
            while len(sent) < 2_000:
                await call.write_chunks(piece)
                sent.append(len(piece))
        return text("late")

    config = {**QUIET["operational"], "limits": {"responseBody": 1_000_000}, "timeouts": {"default": "20s"}}
    async with scene({"one": backend}, config={"operational": config}) as world, world.session() as client:
        result = await client.call("one_echo")
        assert result["_meta"] == {"vmcp.dev/backend": "one", "vmcp.dev/category": "response_too_large"}
        # The sender is stopped soon after: what is on its way fits into the buffers of two sockets.
        assert sum(sent) < 40_000_000
        backend.handlers.clear()
        assert (await client.call("one_echo"))["content"]


@pytest.mark.scenario("B-4")
async def test_of_several_answers_the_first_counts_and_answers_to_others_do_not():
    backend = ScriptedBackend()

    @backend.on("tools/call")
    async def answer(call):
        number = call.heard.message["id"]
        for request_id, said in ((number + 1, "other"), (f"{number}x", "text"), (number, "first"), (number, "second")):
            await call.say({"jsonrpc": "2.0", "id": request_id, "result": text(said)})
        return text("third")

    async with scene({"one": backend}, config=QUIET) as world, world.session() as client:
        for _ in range(3):
            assert (await client.call("one_echo"))["content"][0]["text"] == "first"
        backend.handlers.clear()
        assert (await client.call("one_echo"))["content"][0]["text"] == "called echo"


@pytest.mark.scenario("A-10")
async def test_a_backend_that_hangs_in_the_handshake_is_unhealthy_after_the_bound_of_a_probe():
    backend = ScriptedBackend()

    @backend.on("initialize")
    async def hang(_call):
        await asyncio.Event().wait()
        return {}

    slow = {"healthCheckTimeout": "300ms", "healthCheckInterval": "1h"}
    async with scene({"one": backend}, config=operational(failureHandling=slow)) as world:
        async with asyncio.timeout(30):
            while (await world.status())["backends"][0]["status"] != "unhealthy":  # noqa: ASYNC110 - no event tells
                await asyncio.sleep(0.02)
