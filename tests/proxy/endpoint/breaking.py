"""Backends that fail at will, and a breaker that acts, for tests."""

import asyncio

from tests.support.scene import operational
from tests.support.scripted_backend import Die, ScriptedBackend


def guarded(threshold=3, timeout="1h", **handling):
    """A breaker that acts, and no probes but those that it asks for."""
    breaker = {"enabled": True, "failureThreshold": threshold, "timeout": timeout}
    timeouts = handling.pop("timeouts", {})
    return operational(
        failureHandling={"healthCheckInterval": "1h", **handling, "circuitBreaker": breaker}, timeouts=timeouts
    )


class Fickle(ScriptedBackend):
    """Answers, or hangs up on everything but what is already on its way."""

    def __init__(self, **more):
        super().__init__(**more)
        self.is_down = False

    async def _request(self, call):
        if self.is_down:
            raise Die
        await super()._request(call)


async def state_of(world, name="one"):
    return {each["name"]: each for each in (await world.status())["backends"]}[name]


async def until_state(world, state, name="one"):
    async with asyncio.timeout(10):
        while (await state_of(world, name))["circuit"] != state:  # noqa: ASYNC110 - the status has no event
            await asyncio.sleep(0.01)


async def let_fail(client, backend, times, name="one_echo"):
    backend.is_down = True
    for _ in range(times):
        assert (await client.call(name))["_meta"]["vmcp.dev/category"] == "failed"


async def open_circuit(world, client, backend, name="one_echo"):
    """One call fails, and the probes that it brings about do the rest; a call more hurts nobody."""
    await let_fail(client, backend, 1, name)
    async with asyncio.timeout(10):
        while (await state_of(world))["circuit"] == "closed":
            # Not by its result: where all or none are served, the circuit may be open by now.
            await client.request("tools/call", {"name": name, "arguments": {}})
