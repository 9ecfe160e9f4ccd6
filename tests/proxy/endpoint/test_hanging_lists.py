"""A backend that answers something late: how it fares is asked meanwhile, and its lists anew when it has come back."""

import asyncio
from typing import Any

import pytest

from tests.proxy.endpoint.test_health_changes import becomes
from tests.support.modern_backend import ModernBackend
from tests.support.raw_client import eventually
from tests.support.scene import operational, scene
from tests.support.scripted_backend import Call, ScriptedBackend, Status, text

PATIENT = operational(
    failureHandling={"healthCheckInterval": "50ms", "unhealthyThreshold": 2}, timeouts={"default": "1h"}
)
ERAS = pytest.mark.parametrize("make", [ScriptedBackend, ModernBackend], ids=["legacy", "modern"])


def lists(backend: ScriptedBackend) -> int:
    return len(backend.calls("tools/list"))


def probes(backend: ScriptedBackend) -> int:
    return len(backend.calls("server/discover" if isinstance(backend, ModernBackend) else "ping"))


def hangs(backend: ScriptedBackend) -> None:
    """Its tools are not told from now on."""

    @backend.on("tools/list")
    async def hang(_call: Call) -> dict[str, Any]:
        await asyncio.Event().wait()
        return {}


def refuses_probes(backend: ScriptedBackend) -> None:
    """As what stands before a server that is away, while nobody ends the requests that it had."""

    async def refuse(_call: Call) -> Any:
        raise Status(503)

    if isinstance(backend, ModernBackend):
        backend.discovers = refuse
    else:
        backend.on("ping")(refuse)


async def tells_of_a_change(backend: ScriptedBackend) -> None:
    await eventually(lambda: backend.streams or getattr(backend, "listening", ()))
    if isinstance(backend, ModernBackend):
        await backend.tell("notifications/tools/list_changed")
    else:
        backend.push("notifications/tools/list_changed")


def is_mended(backend: ScriptedBackend) -> None:
    backend.handlers.clear()
    if isinstance(backend, ModernBackend):
        backend.discovers = None


async def probed_again(backend: ScriptedBackend, times: int = 5) -> None:
    enough = probes(backend) + times
    await eventually(lambda: probes(backend) >= enough)


@ERAS
@pytest.mark.scenario("A-10", "B-10")
async def test_a_backend_whose_lists_hang_is_probed_all_the_while_and_asked_for_them_once(make):
    backend = make()
    hangs(backend)
    async with scene({"one": backend}, config=PATIENT) as world:
        await eventually(lambda: lists(backend))
        await probed_again(backend)
        await becomes(world, "one", "healthy")
        assert lists(backend) == 1


@ERAS
@pytest.mark.scenario("A-10", "A-14")
async def test_a_backend_that_goes_and_comes_while_its_lists_hang_is_found_out_both_times_and_its_lists_read(make):
    backend = make()
    async with scene({"one": backend}, config=PATIENT) as world, world.session() as client:
        assert await client.names() == ["one_echo"]
        known = lists(backend)
        hangs(backend)
        await tells_of_a_change(backend)
        await eventually(lambda: lists(backend) > known)
        refuses_probes(backend)
        await becomes(world, "one", "unhealthy")
        assert await client.names() == []
        assert lists(backend) == known + 1

        backend.tools.append(backend.tools[0] | {"name": "new"})
        is_mended(backend)
        await becomes(world, "one", "healthy")
        await eventually(lambda: lists(backend) > known + 1)
        async with asyncio.timeout(10):
            while await client.names() != ["one_echo", "one_new"]:  # noqa: ASYNC110 - no stream tells this client
                await asyncio.sleep(0.02)
        await probed_again(backend)
        assert lists(backend) == known + 2


@ERAS
@pytest.mark.scenario("B-10")
async def test_a_backend_whose_connections_all_wait_for_calls_is_probed_and_asked_for_its_lists_beside_them(make):
    backend, answered = make(), asyncio.Event()

    @backend.on("tools/call")
    async def hang(_call: Call) -> dict[str, Any]:
        await answered.wait()
        return text("late")

    handling = {"healthCheckInterval": "50ms", "healthCheckTimeout": "2s", "unhealthyThreshold": 1}
    config = operational(failureHandling=handling, limits={"connectionsPerBackend": 2})
    async with scene({"one": backend}, config=config) as world, world.session() as client:
        assert await client.names() == ["one_echo"]
        calls = [asyncio.create_task(client.call("one_echo")) for _ in range(3)]
        await eventually(lambda: len(backend.calls("tools/call")) == 2)
        await probed_again(backend)
        assert await client.names() == ["one_echo"]
        known = lists(backend)
        await tells_of_a_change(backend)
        await eventually(lambda: lists(backend) > known)
        await probed_again(backend)
        # Nor has this let another call go before its turn.
        assert len(backend.calls("tools/call")) == 2
        answered.set()
        assert [(await call)["content"][0]["text"] for call in calls] == ["late"] * 3
