"""A call is resolved once: the decision and the act are about the same target, and wait for no list but its own."""

import asyncio

import pytest

from tests.proxy.endpoint.helpers import QUIET
from tests.support.policies import NamePolicy
from tests.support.raw_client import eventually
from tests.support.rules import Effect, Rule, RuleBased
from tests.support.scene import operational, scene
from tests.support.scripted_backend import ScriptedBackend, tool

TOOLS = "notifications/tools/list_changed"
BY_PRIORITY = {"conflictResolution": "priority", "conflictResolutionConfig": {"priorityOrder": ["a", "b"]}}


class OnlyOf(NamePolicy):
    """Admits to what one backend has."""

    def __init__(self, backend):
        self.backend = backend

    def admits(self, identity, action, capability, name):
        return capability is not None and capability.backend == self.backend


class Gate:
    """A layer that lets no call through before it is opened."""

    def __init__(self, inner):
        self.inner = inner
        self.reached, self.opened = asyncio.Event(), asyncio.Event()

    async def view(self, caller):
        return await self.inner.view(caller)

    async def list(self, caller, kind):
        return await self.inner.list(caller, kind)

    async def resolve(self, caller, operation):
        return await self.inner.resolve(caller, operation)

    async def perform(self, caller, operation, resolved, exchange):
        self.reached.set()
        await self.opened.wait()
        return await self.inner.perform(caller, operation, resolved, exchange)


@pytest.mark.scenario("Z-1", "A-14")
async def test_a_call_that_was_admitted_to_one_backend_is_not_carried_out_by_another_after_a_reload(both_eras):
    a, b = ScriptedBackend(tools=[tool("x")]), ScriptedBackend(tools=[tool("x")])
    config = QUIET | {"aggregation": BY_PRIORITY}
    async with scene({"a": a, "b": b}, config=config, admitter=OnlyOf("a")) as world, world.session() as client:
        gate = world.inside.within_admission(Gate)
        assert await client.names() == ["x"]
        call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "x", "arguments": {}}}
        async with client.sending(call) as answer:
            await gate.reached.wait()
            world.apply({"b": b})
            # The name is the other one's now, to which this caller is not admitted.
            assert await client.names() == []
            gate.opened.set()
            assert (await answer).status_code == 200
        assert b.calls("tools/call") == []


@pytest.mark.scenario("A-10", "A-14")
@pytest.mark.parametrize("admitter", [None, RuleBased((Rule(Effect.PERMIT),))], ids=["no policy", "permit everything"])
async def test_a_call_does_not_wait_for_the_changed_lists_of_another_backend(admitter):
    fine, slow = ScriptedBackend(), ScriptedBackend()
    hold = asyncio.Event()
    config = operational(timeouts={"list": "60s"}, failureHandling={"healthCheckInterval": "1h"})
    both = {"fine": fine, "slow": slow}
    async with (
        scene(both, config=config, passthroughHeaders=["X-Api-Key"], admitter=admitter) as world,
        world.session(x_api_key="k") as client,
        world.session() as plain,
        plain.listening() as stream,
    ):
        for each in (client, plain):
            assert await each.names() == ["fine_echo", "slow_echo"]
        await eventually(lambda: stream.comments and slow.streams)

        @slow.on("tools/list")
        async def listing(call):
            if call.heard.headers.get("x-api-key"):
                await hold.wait()
            return {"tools": [tool("echo"), tool("new")]}

        try:
            slow.push(TOOLS)
            # Others have the new list; of this client's own it is known that it is out of date.
            await stream.until(TOOLS)
            assert (await client.call("fine_echo"))["content"]
        finally:
            hold.set()
        assert await client.names() == ["fine_echo", "slow_echo", "slow_new"]
