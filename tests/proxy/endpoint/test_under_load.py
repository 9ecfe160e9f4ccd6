"""A whole proxy that is hammered: headers never cross, names of strangers make no labels."""

import asyncio
import random

import pytest

from tests.proxy.endpoint.helpers import QUIET, everything
from tests.support.scene import scene
from tests.support.scripted_backend import text, tool

CALLS = 25
PARALLEL = 8


def keyed_backend():
    """A backend that answers calls and lists by the header it gets, sometimes late and with a word before."""
    backend = everything()
    choice = random.Random(11)

    @backend.on("tools/call")
    async def tell(call):
        if choice.random() < 0.3:
            await call.notify("notifications/x-key", key=call.heard.headers["x-api-key"])
            await asyncio.sleep(choice.random() / 100)
        return text(call.heard.headers["x-api-key"])

    @backend.on("tools/list")
    async def list_by_key(call):
        return {"tools": [tool("echo"), tool(f"of_{call.heard.headers.get('x-api-key', 'nobody')}")]}

    return backend


async def hammer(client, own, other, number):
    """Calls and lists, one after the other."""
    for calls in range(CALLS):
        name = ("one", "two")[(number + calls) % 2]
        # What a request claims to be in the middle of a session counts for nothing.
        params = {"name": f"{name}_echo", "arguments": {"claims": other}}
        result = await client.result("tools/call", params, x_api_key=other)
        assert result["content"][0]["text"] == own
        if number == 0:
            names = await client.names(x_api_key=other)
            assert f"{name}_of_{own}" in names
            assert f"{name}_of_{other}" not in names


def keys_by_session(backend):
    """The header values that came in each session."""
    found = {}
    for each in backend.heard:
        if each.session:
            found.setdefault(each.session, set()).add(each.headers.get("x-api-key"))
    return sorted(map(str, found.values()))


@pytest.mark.scenario("H-3", "H-2")
async def test_two_sessions_that_hammer_side_by_side_never_meet_and_lists_stay_their_own():
    backends = {"one": keyed_backend(), "two": keyed_backend()}
    async with (
        scene(backends, config=QUIET, passthroughHeaders=["X-Api-Key"]) as world,
        world.session(x_api_key="alice") as alice,
        world.session(x_api_key="bob") as bob,
    ):
        async with asyncio.TaskGroup() as group:
            for number in range(PARALLEL):
                group.create_task(hammer(alice, "alice", "bob", number))
                group.create_task(hammer(bob, "bob", "alice", number))
        assert {each["params"]["key"] for each in alice.said} == {"alice"}
        assert {each["params"]["key"] for each in bob.said} == {"bob"}
        for backend in backends.values():
            assert keys_by_session(backend) == ["{'alice'}", "{'bob'}", "{None}"]


@pytest.mark.scenario("C-8")
async def test_names_that_clients_and_backends_make_up_become_no_labels_of_any_metric():
    backend = everything()
    made_up = [f"made-up-{number}" for number in range(40)]
    backend.tools = [tool(name) for name in made_up]
    backend.resources = [{"uri": f"test://{name}", "name": name} for name in made_up]
    backend.prompts = [{"name": name} for name in made_up]

    @backend.on("tools/call")
    async def fail(call):
        return text("no", isError=True)

    async with scene({"one": backend}, config=QUIET) as world, world.session() as client:

        async def ask_all(names):
            for name in names:
                assert (await client.call(f"one_{name}"))["isError"]
                await client.result("resources/read", {"uri": f"test://{name}"})
                await client.result("prompts/get", {"name": f"one_{name}"})
                await client.request(name, {"name": name})
                await client.request("tools/call", {"name": f"unknown-{name}"})
                await client.request("resources/read", {"uri": f"unknown://{name}"})
                await client.post({"jsonrpc": "2.0", "method": f"notifications/{name}"})
                await client.send(name.upper())
            return {name for name in await world.metrics() if "tool=" not in name}

        few = await ask_all(made_up[:2])
        many = await ask_all(made_up)
        assert many == few
        assert not [each for each in many if "made" in each.lower() or "unknown-" in each]
        values = await world.metrics()
        assert values['vmcp_requests_total{method="other",status="200"}'] == len(made_up) + 2
        errors = [value for name, value in values.items() if name.startswith("vmcp_tool_errors_total")]
        assert sum(errors) == len(made_up) + 2
        assert not [name for name in values if "unknown-" in name]
