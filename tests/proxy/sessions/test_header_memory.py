"""Where header values stay in the memory of a whole proxy, and for how long."""

import contextlib

import pytest

from tests.proxy.endpoint.helpers import QUIET, everything, use_everything
from tests.proxy.sessions.reachable import paths_to
from tests.support.raw_client import eventually
from tests.support.scene import scene
from vmcp_proxy.run.settings import Settings
from vmcp_proxy.sessions import Keyring

CANARY = "canary-5d20f7"
KEYS = Keyring.of({"1": bytes(range(32))})


@contextlib.asynccontextmanager
async def proxy(redis, **config):
    settings = Settings(port=0, admin_port=0, handles_signals=False, keyring=KEYS)
    document = {
        "config": QUIET,
        "sessionStorage": {"provider": "redis", "address": redis.address},
        "passthroughHeaders": ["X-Api-Key"],
        **config,
    }
    backend = everything()
    async with scene({"one": backend}, settings=settings, **document) as world:
        yield world, backend


def held(world):
    return paths_to(CANARY.encode(), world.proxy)


async def until_gone(world):
    with contextlib.suppress(TimeoutError):
        await eventually(lambda: not held(world), 30.0)
    assert held(world) == []


@pytest.mark.scenario("H-6", "S-7")
@pytest.mark.parametrize("mode", ["Session", "Request"])
async def test_an_idle_session_leaves_no_header_value_in_memory_although_redis_is_away(own_redis, mode):
    async with (
        proxy(own_redis, passthroughHeaderMode=mode) as (world, backend),
        world.session(x_api_key=CANARY) as client,
    ):
        await use_everything(client)
        async with client.listening() as stream:
            await eventually(lambda: stream.comments)
        assert held(world)
        # Not before: the requests may take as long as a busy machine wants.
        world.apply(sessionManagement={"ttl": "1s"})
        own_redis.stop()
        inside = world.inside
        await eventually(lambda: inside.sessions == inside.snapshots == 0)
        assert len(inside.clients) == 1
        await until_gone(world)
        (used,) = {heard.session for heard in backend.calls("tools/call")}
        assert used in backend.sessions
        own_redis.start()
        # The session at the backend ends all the same, though without the client's headers.
        await eventually(lambda: used not in backend.sessions and not inside.clients, 15.0)
        (farewell,) = backend.deletes
        assert "x-api-key" not in farewell.headers


@pytest.mark.scenario("H-6")
async def test_an_ended_session_leaves_no_header_value_in_memory(redis_server):
    async with proxy(redis_server) as (world, _):
        async with world.session(x_api_key=CANARY) as client:
            await use_everything(client)
            assert held(world)
            assert await client.delete() == 204
        # The server keeps a request until its connection brings another or ends.
        await until_gone(world)
