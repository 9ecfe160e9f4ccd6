"""Requests without a session need no store of sessions."""

import pytest

from tests.proxy.endpoint.helpers import everything
from tests.proxy.endpoint.test_two_pods import pod
from tests.support.eras import Era
from tests.support.raw_client import RawClient, eventually, initialize
from tests.support.redis_server import Monitor

API_KEY = {"x-api-key": "canary-77aa"}


async def uses_everything(client: RawClient) -> None:
    await client.open()
    for kind in ("tools", "resources", "resourceTemplates", "prompts"):
        await client.names(kind)
    assert (await client.call("b0_echo"))["content"][0]["text"] == "called echo"
    await client.result("resources/read", {"uri": "test://a"})
    await client.result("prompts/get", {"name": "b0_ask"})


@pytest.mark.scenario("S-7")
async def test_no_request_touches_the_store_and_no_header_reaches_it(own_redis):
    backend = everything()
    async with backend.running(), pod(own_redis, backend) as world, Monitor(own_redis) as monitor:
        async with RawClient(world.url, API_KEY, Era.MODERN) as client:
            await uses_everything(client)
        said = await monitor.lines()
    # The pod asks for nobody's session now and then, to know that the store is there.
    commands = (b'"HMGET"', b'"HGETALL"', b'"HSET"', b'"PEXPIRE"', b'"DEL"', b'"PUBLISH"')
    assert not [line for line in said if any(map(line.__contains__, commands)) and b":nobody" not in line]
    assert not [line for line in said if b"canary" in line]


@pytest.mark.scenario("S-7")
async def test_requests_without_a_session_are_served_while_the_store_is_away(own_redis):
    backend = everything()
    async with (
        backend.running(),
        pod(own_redis, backend) as world,
        RawClient(world.url, API_KEY, Era.MODERN) as client,
        RawClient(world.url, {"x-api-key": "other"}, Era.MODERN) as other,
        RawClient(world.url) as legacy,
    ):
        await uses_everything(client)
        own_redis.stop()
        await eventually(lambda: not world.inside.store_is_available)
        assert (await legacy.post(initialize())).status_code == 503
        await uses_everything(client)
        await uses_everything(other)


@pytest.mark.scenario("S-7")
async def test_requests_without_a_session_are_served_where_the_store_was_never_there(own_redis):
    backend = everything()
    own_redis.stop()
    async with (
        backend.running(),
        pod(own_redis, backend) as world,
        RawClient(world.url, API_KEY, Era.MODERN) as client,
    ):
        await uses_everything(client)
