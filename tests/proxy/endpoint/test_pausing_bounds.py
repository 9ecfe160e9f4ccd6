"""Calls that wait for their clients leave a backend, and the programs of all backends, to others (ADR-0061)."""

import asyncio
import contextlib

import pytest

from tests.proxy.endpoint.helpers import QUIET
from tests.proxy.endpoint.test_circuit import guarded, state_of
from tests.proxy.endpoint.test_harm import call_of, program
from tests.proxy.endpoint.test_pausing import ELICITS, FORM, go_on
from tests.support.raw_client import RawClient, eventually
from tests.support.scene import operational, scene
from tests.support.scripted_backend import Call, ScriptedBackend, text
from vmcp_proxy.backends.programs.pool import ProgramBounds, ProgramPool
from vmcp_proxy.protocol.methods import Era

DISGUISED = {**ELICITS, "experimental": {"a": {}}}


@pytest.fixture(autouse=True)
def _modern(monkeypatch):
    monkeypatch.setattr("tests.support.eras.current", Era.MODERN)


def asking():
    """A backend that asks in each call, and says what its own question was answered with."""
    backend, answers = ScriptedBackend(), {}

    @backend.on("tools/call")
    async def ask(call: Call):
        heard = answers[call.heard.session] = asyncio.Queue()
        await call.say({"jsonrpc": "2.0", "id": 1, "method": "elicitation/create", "params": FORM})
        return text(str(await heard.get()))

    @backend.on("")
    async def hear(call: Call):
        answers[call.heard.session].put_nowait(call.heard.message)
        return {}

    return backend


@pytest.mark.scenario("B-8")
async def test_calls_that_wait_leave_connections_of_their_backend_whatever_capabilities_a_client_declares():
    backend = asking()
    config = operational(**QUIET["operational"] | {"limits": {"connectionsPerBackend": 8}})
    async with scene({"one": backend}, config=config) as world, RawClient(world.url) as client:
        asked = []
        for capabilities in (ELICITS, DISGUISED):
            client.capabilities = capabilities
            asked.append(await client.call("one_echo"))
            assert asked[-1]["resultType"] == "input_required"
        for capabilities in (ELICITS, DISGUISED, {**ELICITS, "experimental": {"b": {}}}):
            client.capabilities = capabilities
            crowded = await client.call("one_echo")
            assert "Too many requests" in crowded["content"][0]["text"]
        assert (await state_of(world))["status"] == "healthy"
        client.capabilities = ELICITS
        assert "result" in await go_on(client, asked[0])
        assert (await client.call("one_echo"))["resultType"] == "input_required"


@pytest.mark.scenario("B-8")
async def test_calls_in_flight_leave_programs_whatever_capabilities_their_clients_declare(tmp_path, monkeypatch):
    monkeypatch.setattr("vmcp_proxy.run.parts.members.ProgramPool", lambda: ProgramPool(ProgramBounds(most=4)))
    config = guarded(threshold=2)
    config["operational"]["failureHandling"]["healthCheckTimeout"] = "1s"
    async with contextlib.AsyncExitStack() as stack:
        world = await stack.enter_async_context(scene({}, extra=(program(tmp_path),), config=config))
        for capabilities in (ELICITS, DISGUISED):
            client = await stack.enter_async_context(RawClient(world.url))
            client.capabilities = capabilities
            await stack.enter_async_context(client.sending(call_of("one_hold")))
            await eventually((tmp_path / "held").exists)
            (tmp_path / "held").unlink()
        refused = await client.call("one_who")
        assert refused["isError"]
        assert "has no room" in refused["content"][0]["text"]
        monkeypatch.setattr("tests.support.eras.current", Era.LEGACY)
        async with world.client() as other:
            await other.open({"roots": {}})
            assert not (await other.call("one_who")).get("isError")
        assert (await state_of(world))["status"] == "healthy"


@pytest.mark.scenario("R-1", "P-12")
async def test_who_asks_whether_there_is_news_of_a_call_pays_and_who_answers_does_not():
    limits = {"shared": {"maxTokens": 3, "refillPeriod": "1h"}}
    async with (
        scene({"one": asking()}, config={**QUIET, "rateLimiting": limits}) as world,
        RawClient(world.url) as client,
    ):
        client.capabilities = ELICITS
        asked = await client.call("one_echo")
        for answers in ({}, {"q7": {"action": "accept"}}):
            again = await go_on(client, asked, answers=answers)
            asked = again["result"]
            assert asked["resultType"] == "input_required"
        refused = await go_on(client, asked, answers={})
        assert refused["error"]["code"] == 429
        assert "result" in await go_on(client, asked)
