"""Calls of a layer for a caller reach what clients cannot name, in a time of their own."""

import asyncio
import contextlib
import json

import pytest

from tests.proxy.endpoint.helpers import QUIET
from tests.support.scene import operational, scene
from tests.support.scripted_backend import Die, ScriptedBackend, text, tool
from vmcp_proxy.core.outcomes import Denied, Result, Unavailable, Unknown
from vmcp_proxy.core.virtual import Inner, Operation, call
from vmcp_proxy.protocol.kinds import Kind

BEHIND = {
    **QUIET,
    "aggregation": {
        "tools": [
            {"workload": "one", "excludeAll": True, "overrides": {"echo": {"name": "say"}}},
            {"workload": "two", "overrides": {"x": {"name": "y"}, "y": {"name": "z"}}},
        ]
    },
}


class Unheard:
    """The client's side of a call that nobody waits for."""

    takes_messages = True

    def routed(self, backend, credentials):
        pass

    def presented(self, credentials):
        pass

    def decided(self, record):
        pass

    async def send(self, message, on_drop=None):
        pass


async def ask(world, name, seconds=30.0):
    """The reply to an inner call for the client that has asked last."""
    inner = Operation("tools/call", Kind.TOOL, name, b'{"name":"?"}', inner=Inner(seconds))
    return await call(world.inside.core, world.inside.client.caller, inner, Unheard())


@contextlib.asynccontextmanager
async def asking(backends, config=BEHIND, **more):
    """A proxy that knows the lists of its backends, with one client."""
    async with scene(backends, config=config, **more) as world, world.session() as client:
        await client.names("tools")
        yield world, client


def named() -> ScriptedBackend:
    """Answers each call with the name that it heard."""
    backend = ScriptedBackend(tools=[tool("echo"), tool("x"), tool("y")])

    @backend.on("tools/call")
    async def answer(call):
        return text(call.params["name"])

    return backend


@pytest.mark.scenario("A-6")
async def test_an_inner_call_finds_hidden_tools_by_the_name_they_would_have_or_by_workload_and_tool():
    reached = {
        "one_say": "echo",
        "one_x": "x",
        "one.echo": "echo",
        "one.say": "echo",
        "two_y": "x",
        "two_z": "y",
        "two.x": "x",
        "two.y": "y",  # the backend's own name comes before another tool's new one
        "two.z": "y",
    }
    async with asking({"one": named(), "two": named()}) as (world, client):
        for name, original in reached.items():
            reply = await ask(world, name)
            assert json.loads(bytes(reply.raw)) == text(original), name
        for name in ("echo", "say", "one.two_y", "three.echo", ".echo", "one."):
            assert await ask(world, name) == Unknown(Kind.TOOL, name)
        # Clients find none of it by other names than they know.
        for name in ("one_say", "one.echo", "one.say", "two.x"):
            answer = await client.request("tools/call", {"name": name})
            assert answer["error"]["message"] == f"Unknown tool: {name}"
        assert await client.names("tools") == ["two_echo", "two_y", "two_z"]


async def test_policies_decide_on_a_hidden_tool_by_the_name_that_clients_would_know():
    policies = ['permit(principal, action, resource in MCP::"p") when { resource.name == "one_say" };']
    authorization = {"policies": policies}
    async with asking({"one": named()}, authorization=authorization, name="p") as (world, client):
        assert isinstance(await ask(world, "one.echo"), Result)
        assert await ask(world, "one.x") == Denied()
        assert await client.names("tools") == []


async def test_an_inner_call_waits_for_a_backend_that_may_have_the_tool_by_its_own_name():
    slow, listed = named(), asyncio.Event()

    @slow.on("tools/list")
    async def answer(call):
        await listed.wait()
        return {"tools": [tool("echo")]}

    config = {**BEHIND, **operational(failureHandling={"healthCheckInterval": "1h"}, timeouts={"list": "100ms"})}
    async with asking({"one": slow}, config) as (world, client):
        assert await client.names("tools") == []
        reply = asyncio.create_task(ask(world, "one.echo"))
        await asyncio.sleep(0)
        listed.set()
        assert isinstance(await reply, Result)


async def test_a_hidden_tool_of_a_backend_that_is_away_is_answered_by_what_is_wrong_with_it():
    backend = named()
    async with asking({"one": backend}) as (world, _):
        assert isinstance(await ask(world, "one.echo"), Result)

        @backend.on("tools/call")
        async def fail(call):
            raise Die

        reply = await ask(world, "one.echo")
        assert isinstance(reply, Unavailable)
        assert reply.backend == "one"


@pytest.mark.parametrize(
    ("seconds", "timeouts", "hint"),
    [
        (0.2, {}, "0.2 s is the bound of the step"),
        (
            600.0,
            {"maximum": "1s"},
            "1 s is its bound, set by spec.config.operational.timeouts.maximum",
        ),
    ],
)
async def test_an_inner_call_has_a_bound_of_its_own_within_the_hard_one(seconds, timeouts, hint):
    backend, cancelled = named(), asyncio.Event()

    @backend.on("tools/call")
    async def hang(call):
        await call.notify("notifications/progress", progressToken=1, progress=1)
        await asyncio.Event().wait()

    @backend.on("notifications/cancelled")
    async def hear(call):
        cancelled.set()
        return {}

    config = {**BEHIND, **operational(failureHandling={"healthCheckInterval": "1h"}, timeouts=timeouts)}
    async with asking({"one": backend}, config) as (world, _):
        reply = await ask(world, "one.echo", seconds)
        assert isinstance(reply, Unavailable)
        assert hint in reply.message
        await asyncio.wait_for(cancelled.wait(), 30)
