"""What is kept of what callers saw while they come, and once they have gone (ADR-0067)."""

import asyncio
import contextlib
import json

import pytest

from tests.proxy.endpoint.helpers import QUIET
from tests.proxy.endpoint.test_own_catalogs import (
    HEADERS,
    asked,
    crowd,
    kept,
    tenants,
    tight,
)
from tests.support import heap
from tests.support.raw_client import eventually
from tests.support.scene import operational, scene
from tests.support.scripted_backend import Call, ScriptedBackend, Status


def refuse_lists_to_t0(backend: ScriptedBackend) -> None:
    """Others are told their lists as before."""
    own = backend.handlers["tools/list"]

    @backend.on("tools/list")
    async def refused(call: Call) -> dict:
        if call.heard.headers.get("x-tenant") == "t0":
            raise Status(500)
        return await own(call)


@pytest.mark.usefixtures("both_eras")
@pytest.mark.scenario("H-6", "H-7")
async def test_of_callers_who_have_gone_nothing_is_kept_of_what_they_saw():
    config = {**operational(**QUIET["operational"], catalogTtl="200ms")}
    async with scene(
        {"one": tenants()}, config=config, passthroughHeaders=HEADERS, sessionManagement={"ttl": "2s"}
    ) as world:
        async with contextlib.AsyncExitStack() as stack:
            await crowd(world, stack)
        async with asyncio.timeout(60):
            while await kept(world):  # noqa: ASYNC110 - metrics have no event
                await asyncio.sleep(0.05)
        await eventually(lambda: not heap.held_with(b"canary of t0 ", b"canary of t7 "))


@pytest.mark.usefixtures("both_eras")
@pytest.mark.scenario("A-14", "H-6")
async def test_whose_a_name_is_stays_known_of_a_caller_who_only_calls_however_long_that_goes_on():
    backend = tenants()
    async with (
        scene({"one": backend}, config=tight(), passthroughHeaders=HEADERS) as world,
        world.session(x_tenant="t0") as client,
    ):
        await client.names()
        for _ in range(3):
            await client.call("one_about_t0")
            world.inside.look_for_unused()
        refuse_lists_to_t0(backend)
        world.inside.invalidate_lists("one")
        called = await client.call("one_about_t0")
        assert json.loads(called["content"][0]["text"]) == ["t0", "about_t0"]
        assert asked(backend, "t0") == 1, "no call waits for a list that has been told"


@pytest.mark.scenario("A-14", "H-6")
async def test_lists_stay_known_of_a_client_that_only_listens_however_long_that_goes_on():
    backend = tenants()
    async with (
        scene({"one": backend}, config=tight(), passthroughHeaders=HEADERS) as world,
        world.session(x_tenant="t0") as client,
        client.listening() as stream,
    ):
        await eventually(lambda: stream.comments)
        names = await client.names()
        times = asked(backend, "t0")
        for _ in range(3):
            world.inside.look_for_unused()
        refuse_lists_to_t0(backend)
        assert await client.names() == names
        assert asked(backend, "t0") == times
