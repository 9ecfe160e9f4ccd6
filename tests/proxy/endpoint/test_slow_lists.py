"""A backend that is up and slow to tell its lists: calls wait for them, and what was known once is used on."""

import asyncio

import pytest

from tests.proxy.endpoint.helpers import QUIET, everything
from tests.proxy.endpoint.test_composites import composite
from tests.support.raw_client import RawClient, eventually
from tests.support.scene import operational, scene
from tests.support.scripted_backend import Call, ScriptedBackend, Status, tool
from vmcp_proxy.core.listings import cache

HEADERS = ["X-Tenant"]
SETTINGS = {
    "timeouts": {"list": "100ms"},
    "failureHandling": {"healthCheckInterval": "1h", "healthCheckTimeout": "200ms", "unhealthyThreshold": 100},
}
SLOW = operational(**SETTINGS)
USES = {
    "tool": ("tools/call", {"name": "one_echo"}, SLOW),
    "resource": ("resources/read", {"uri": "test://a"}, SLOW),
    "template": ("resources/read", {"uri": "test://t/1"}, SLOW),
    "prompt": ("prompts/get", {"name": "one_ask"}, SLOW),
    "composite": (
        "tools/call",
        {"name": "repeat", "arguments": {"text": "x"}},
        {**SLOW, "compositeTools": [composite()]},
    ),
    "call_tool": (
        "tools/call",
        {"name": "call_tool", "arguments": {"tool_name": "one_echo", "parameters": {}}},
        {**SLOW, "optimizer": {}},
    ),
}


def held_for_callers(backend: ScriptedBackend) -> asyncio.Event:
    """Lets sessions that are opened for a tenant wait for the event; the proxy's own, and probes, are answered."""
    event = asyncio.Event()

    async def wait(call: Call) -> None:
        if "x-tenant" in call.heard.headers:
            await event.wait()

    backend.before_open = wait
    return event


def opened(backend: ScriptedBackend) -> int:
    return len([each for each in backend.calls("initialize") if "x-tenant" in each.headers])


async def is_healthy(world) -> None:
    async with asyncio.timeout(45):
        while (await world.status())["backends"][0]["status"] != "healthy":  # noqa: ASYNC110 - it has no event
            await asyncio.sleep(0.02)


async def too_slow(client: RawClient) -> None:
    """Lists until an attempt to read the backend's lists has failed by its time."""
    async with asyncio.timeout(45):
        while True:
            outcomes = (await client.result("tools/list")).get("_meta", {}).get("vmcp.dev/serverOutcomes", {})
            if "did not answer in time" in str(outcomes.get("one")):
                return
            await asyncio.sleep(0.02)


@pytest.mark.usefixtures("both_eras")
@pytest.mark.scenario("A-15")
@pytest.mark.parametrize(("method", "params", "config"), USES.values(), ids=USES)
async def test_a_call_after_an_attempt_that_was_too_slow_has_the_lists_asked_for_again_and_waits(
    method, params, config
):
    one = everything()
    go = held_for_callers(one)
    async with scene({"one": one}, config=config, passthroughHeaders=HEADERS) as world:
        await is_healthy(world)
        async with world.session(x_tenant="a") as client:
            await too_slow(client)
            asked = opened(one)
            message = client.asking(method, params)
            async with client.sending(message) as answer:
                # Nobody else asks.
                await eventually(lambda: opened(one) > asked or answer.done())
                assert not answer.done(), (await answer).text
                go.set()
                said = client.read(await answer)
            assert "result" in said
            assert not said["result"].get("isError")


@pytest.mark.usefixtures("both_eras")
@pytest.mark.scenario("A-10")
@pytest.mark.parametrize("headers", [{}, {"x_tenant": "a"}], ids=["of all", "of one caller"])
async def test_the_entries_of_a_list_that_gets_no_answer_are_used_on_and_whole_again_after_it(headers):
    one = everything()
    is_broken = False

    @one.on("tools/list")
    async def listed(call: Call) -> dict:
        if is_broken and ("x-tenant" in call.heard.headers or not headers):
            raise Status(502)
        return {"tools": one.tools}

    async def until_outcome(client: RawClient, status: str | None) -> list[str]:
        async with asyncio.timeout(45):
            while True:
                result = await client.result("tools/list")
                outcome = result.get("_meta", {}).get("vmcp.dev/serverOutcomes", {}).get("one", {})
                if outcome.get("status") == status:
                    return [each["name"] for each in result["tools"]]
                await asyncio.sleep(0.02)

    async with (
        scene({"one": one}, config=QUIET, passthroughHeaders=HEADERS) as world,
        world.session(**headers) as client,
    ):
        assert await client.names() == ["one_echo"]
        await eventually(lambda: one.streams)
        one.prompts.append({"name": "more"})
        is_broken = True
        one.push("notifications/prompts/list_changed")
        assert await until_outcome(client, "incomplete") == ["one_echo"]
        assert await client.names("prompts") == ["one_ask", "one_more"]
        assert not (await client.call("one_echo")).get("isError")
        one.tools = [tool("other")]
        is_broken = False
        assert await until_outcome(client, None) == ["one_other"]


@pytest.mark.scenario("A-15")
async def test_a_handshake_that_takes_longer_than_a_probe_may_has_more_time_at_each_attempt(monkeypatch):
    monkeypatch.setattr(cache, "_FIRST_RETRY", 0.01)
    one = everything()

    async def take_long(call: Call) -> None:
        if "x-tenant" in call.heard.headers:
            await asyncio.sleep(0.5)

    one.before_open = take_long
    async with scene({"one": one}, config=SLOW, passthroughHeaders=HEADERS) as world:
        await is_healthy(world)
        async with world.session(x_tenant="a") as client:
            assert not (await client.call("one_echo")).get("isError")
        assert opened(one) > 1


@pytest.mark.usefixtures("both_eras")
@pytest.mark.scenario("A-15")
async def test_a_call_waits_for_a_list_that_was_known_and_has_given_way():
    one = everything()
    go = asyncio.Event()
    go.set()

    @one.on("tools/list")
    async def slow(call: Call) -> dict:
        if "x-tenant" not in call.heard.headers:
            return {"tools": one.tools}
        await go.wait()
        return {"tools": [{**tool("own"), "description": "x" * 2000}]}

    def asked() -> int:
        return len([each for each in one.calls("tools/list") if "x-tenant" in each.headers])

    config = operational(**SETTINGS, limits={"catalogBytes": 1024})
    async with scene({"one": one}, config=config, passthroughHeaders=HEADERS) as world:
        await is_healthy(world)
        async with world.session(x_tenant="a") as client:
            async with asyncio.timeout(45):
                while await client.names() != ["one_own"]:  # noqa: ASYNC110 - as above
                    await asyncio.sleep(0.02)
            assert (await world.metrics())["vmcp_catalog_kept_bytes"] < 1024
            go.clear()
            before = asked()
            async with client.sending(client.asking("tools/call", {"name": "one_own"})) as answer:
                await eventually(lambda: asked() > before or answer.done())
                # Longer than a list waits.
                done, _ = await asyncio.wait((answer,), timeout=0.4)
                assert not done
                go.set()
                assert not client.read(await answer)["result"].get("isError")
