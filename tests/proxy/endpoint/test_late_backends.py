"""Backends that are not up yet when their proxy looks at them first, as in any cluster (ADR-0060)."""

import asyncio
import contextlib
from typing import Any

import pytest

from benchmarks.ports import free_port
from tests.proxy.endpoint.helpers import QUIET
from tests.support.modern_backend import ModernBackend
from tests.support.raw_client import WAIT_SECONDS, RawClient
from tests.support.scene import Scene, scene
from tests.support.scripted_backend import Die, Status, tool
from vmcp_proxy.protocol.methods import Era


class Starting(ModernBackend):
    """A server that fails in some way until it is up."""

    fails: Exception | None = None

    async def _answer(self, *request: Any) -> None:
        if self.fails is not None:
            raise self.fails
        await super()._answer(*request)


@pytest.mark.scenario("P-17")
@pytest.mark.parametrize("fails", [None, Status(503), Die()], ids=["nobody listens", "503", "closes"])
async def test_a_server_of_both_protocols_that_comes_up_after_the_proxy_is_known_for_both_at_once(fails):
    backend = Starting(eras={"legacy", "modern"}, tools=[tool("old")], modern_tools=[tool("new")])

    async def status(world: Scene, *wanted: str) -> None:
        async with asyncio.timeout(WAIT_SECONDS):
            while (await world.status())["backends"][0]["status"] not in wanted:  # noqa: ASYNC110
                await asyncio.sleep(0.01)

    async with contextlib.AsyncExitStack() as stack:
        backend.fails = fails
        backend.port = free_port()
        if fails is not None:
            await stack.enter_async_context(backend.running())
        world = await stack.enter_async_context(scene({}, config=QUIET))
        world.apply({"one": backend})
        await status(world, "unhealthy")
        if fails is None:
            await stack.enter_async_context(backend.running())
        backend.fails = None
        await status(world, "healthy")
        old = await stack.enter_async_context(world.session())
        new = await stack.enter_async_context(RawClient(world.url, era=Era.MODERN))
        assert await new.names() == ["one_new"]
        assert await old.names() == ["one_old"]
