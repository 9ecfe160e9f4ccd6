"""Connections to Redis that died in the pool: whoever finds them, no call pays for it; on the loop of the product."""

import asyncio

import pytest
import uvloop

from tests.proxy.sessions.pods import OwnStore, eventually
from tests.proxy.sessions.test_stores import NEW, RECORD
from tests.support.redis_server import RedisServer, running
from tests.support.relay import Relay
from vmcp_api.config.sessions import StorageConfig
from vmcp_proxy.redis_client.calls import RedisCalls, RedisUnavailable
from vmcp_proxy.redis_client.causes import RedisCauses
from vmcp_proxy.sessions import StoreUnavailable
from vmcp_proxy.sessions.store.protocol import Touch

pytestmark = pytest.mark.scenario("S-7")

DIGESTS = [f"{number:02d}" * 32 for number in range(12)]


async def loaded(store, digest):
    return await store.load(digest)


async def touched(store, digest):
    return await store.touch([Touch(digest, 0.0)], 60.0)


async def of_all(store, ask):
    """What came of as many calls at once as there are connections; each may be refused once and come again."""

    async def once_again(digest):
        try:
            return await ask(store, digest)
        except StoreUnavailable:
            await asyncio.sleep(0.6)  # longer than Redis is given a rest
            return await ask(store, digest)

    return await asyncio.gather(*(once_again(digest) for digest in DIGESTS), return_exceptions=True)


def reset(server, relay):
    relay.cut(resets=True)


def closed(server, relay):
    relay.cut()


def silent(server, relay):
    relay.silence()


def killed(server, relay):
    server.stop()
    server.start()


def at_work(at):
    document = {"provider": "redis", "address": f"{at.host}:{at.port}"}
    return OwnStore(StorageConfig.model_validate(document))


@pytest.mark.parametrize("ask", [loaded, touched], ids=lambda ask: ask.__name__)
@pytest.mark.parametrize("broken", [reset, closed, silent, killed], ids=lambda broken: broken.__name__)
def test_no_call_is_refused_for_connections_that_died_while_they_were_idle(tmp_path, broken, ask):
    async def go():
        async with Relay(server.port).running() as relay:
            store = at_work(relay)
            try:
                await asyncio.gather(*(store.create(digest, RECORD, NEW, 60.0) for digest in DIGESTS))
                assert relay.opened >= len(DIGESTS)
                broken(server, relay)
                await asyncio.sleep(0.05)  # the store's side of the loop hears of it, where there is something to hear
                assert await asyncio.gather(*(ask(store, digest) for digest in DIGESTS))
            finally:
                await store.aclose()

    with running(RedisServer(tmp_path)) as server:
        uvloop.run(go())


@pytest.mark.parametrize("is_frozen", [False, True], ids=["killed and restarted", "stopped and continued"])
def test_once_redis_answers_others_no_call_is_refused_twice(tmp_path, is_frozen):
    async def go():
        store = at_work(server)
        try:
            await asyncio.gather(*(store.create(digest, RECORD, NEW, 60.0) for digest in DIGESTS))
            (server.freeze if is_frozen else server.stop)()
            waiting = [asyncio.ensure_future(loaded(store, digest)) for digest in DIGESTS]
            with pytest.raises(StoreUnavailable):
                await waiting[0]
            (server.thaw if is_frozen else server.start)()
            await eventually(lambda: server.command("PING") == b"+PONG\r\n")
            assert not [each for each in await of_all(store, loaded) if isinstance(each, BaseException)]
            await asyncio.gather(*waiting, return_exceptions=True)
        finally:
            await store.aclose()

    with running(RedisServer(tmp_path)) as server:
        uvloop.run(go())


async def test_calls_that_began_before_a_rest_and_fail_after_it_keep_nobody_from_redis():
    now = 0.0
    calls = RedisCalls(RedisCauses(tls=False, key_prefix="x"), concurrent=16, clock=lambda: now)

    async def lost():
        raise ConnectionResetError

    async def lost_late():
        await go_on.wait()
        raise ConnectionResetError

    async def answered():
        return "here"

    go_on = asyncio.Event()
    straggler = asyncio.ensure_future(calls.call(lost_late))
    await asyncio.sleep(0)
    now = 1.0
    with pytest.raises(RedisUnavailable):
        await calls.call(lost)
    assert calls.is_resting
    now = 2.0
    assert not calls.is_resting
    go_on.set()
    with pytest.raises(RedisUnavailable):
        await straggler
    assert await calls.call(answered) == "here"
    with pytest.raises(RedisUnavailable):
        await calls.call(lost)
    assert calls.is_resting
