"""What sessions cost: backends, which are asked without a call, and this process, which holds them."""

import asyncio
import gc
import tracemalloc

import pytest

from tests.proxy.endpoint.helpers import everything
from tests.proxy.endpoint.test_rate_limits import ECHO, asked, bucket, codes, limits
from tests.support.raw_client import eventually, initialize
from tests.support.scene import scene
from tests.support.scripted_backend import ScriptedBackend

pytestmark = pytest.mark.scenario("R-1")

LEVEL = ("logging/setLevel", {"level": "debug"})
ROOTS = {"jsonrpc": "2.0", "method": "notifications/roots/list_changed"}


async def test_beginning_sessions_for_which_backends_are_asked_is_limited_like_calls():
    backend = everything()
    config = limits(shared=bucket(2))
    async with scene({"one": backend}, config=config, passthroughHeaders=["X-Tenant"]) as world:
        async with world.client() as client:
            for tenant in ("a", "b", "c", "d"):
                answer = await client.post(initialize(), x_tenant=tenant)
                if "mcp-session-id" in answer.headers:
                    await client.send("DELETE", mcp_session_id=answer.headers["mcp-session-id"])
            heard = len(backend.calls("initialize"))
            error = answer.json()["error"]
            assert (answer.status_code, error["code"], error["data"]["limit"]) == (200, 429, "shared")
            assert int(answer.headers["retry-after"]) > 0
            await client.post(initialize(), x_tenant="e")
            assert len(backend.calls("initialize")) == heard
        assert (await world.metrics())["vmcp_sessions"] == 0


async def test_beginning_a_session_is_free_where_the_lists_are_known():
    async with scene({"one": everything()}, config=limits(shared=bucket(1))) as world:
        for _ in range(5):
            async with world.session() as client:
                await client.names()
        async with world.session() as client:
            assert await codes(client, ECHO, ECHO) == [200, 429]


async def test_a_log_level_takes_a_token_for_every_backend_hears_of_it():
    backend = everything()
    async with scene({"one": backend}, config=limits(shared=bucket(2))) as world, world.session() as client:
        assert await codes(client, ECHO, LEVEL, LEVEL) == [200, 200, 429]
        _, error = await asked(client, *LEVEL)
        assert error["data"]["limit"] == "shared"
        assert len(backend.calls("logging/setLevel")) == 1


async def test_roots_that_change_while_backends_are_told_are_told_once_more():
    backend, release = ScriptedBackend(), asyncio.Event()

    @backend.on("notifications/roots/list_changed")
    async def _hold(_call):
        await release.wait()

    async with scene({"one": backend}) as world, world.client() as client:
        await client.open({"roots": {"listChanged": True}})
        await client.call("one_echo")
        async with asyncio.TaskGroup() as group:
            first = group.create_task(client.post(ROOTS))
            await eventually(lambda: backend.calls(ROOTS["method"]))
            others = await asyncio.gather(*(client.post(ROOTS) for _ in range(10)))
            assert {each.status_code for each in others} == {202}
            assert len(backend.calls(ROOTS["method"])) == 1
            release.set()
        assert first.result().status_code == 202
        assert len(backend.calls(ROOTS["method"])) == 2


@pytest.mark.scenario("S-9")
async def test_a_session_that_has_called_a_tool_takes_less_than_six_kibibytes():
    async with scene({"one": ScriptedBackend()}) as world, world.client() as client:

        async def use():
            await client.open()
            await client.call("one_echo")

        for _ in range(3):
            await use()
        tracemalloc.start()
        try:
            for _ in range(25):
                await use()
            gc.collect()
            ours = tracemalloc.take_snapshot().filter_traces(
                [tracemalloc.Filter(inclusive=True, filename_pattern="*/vmcp_proxy/*")]
            )
        finally:
            tracemalloc.stop()
        assert (await world.metrics())["vmcp_sessions"] == 28
    assert sum(each.size for each in ours.statistics("filename")) / 25 < 6 << 10
