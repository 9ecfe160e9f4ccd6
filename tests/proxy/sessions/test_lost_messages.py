"""Ends that a pod does not hear of because its subscription is lost: over HTTP, on whole proxies."""

import asyncio
import contextlib

import pytest

from tests.proxy.endpoint.helpers import QUIET, everything
from tests.proxy.sessions.relay import Relay
from tests.support.raw_client import RawClient, eventually, until_status
from tests.support.scene import scene
from tests.support.serving import http_backend
from vmcp_proxy.run.settings import Settings
from vmcp_proxy.sessions import Keyring

KEYS = Keyring.of({"1": bytes(range(32))})
PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}


@contextlib.asynccontextmanager
async def pod(address, backend, **config):
    settings = Settings(port=0, admin_port=0, handles_signals=False, keyring=KEYS)
    document = {"config": QUIET, "sessionStorage": {"provider": "redis", "address": address}, **config}
    async with scene({}, extra=(http_backend("b0", backend.port),), settings=settings, **document) as world:
        await eventually(lambda: epoch(world) >= 1)
        yield world


@contextlib.asynccontextmanager
async def at(world, session):
    async with RawClient(world.url) as client:
        client.session = session
        yield client


def epoch(world):
    """How often the pod has subscribed."""
    return world.inside.times_subscribed


@pytest.mark.scenario("S-7")
async def test_lost_messages_neither_keep_an_ended_session_nor_end_a_live_one(redis_server):
    backend, relay = everything(), Relay(redis_server)
    async with (
        backend.running(),
        relay.running(),
        pod(redis_server.address, backend) as a,
        pod(relay.address, backend) as b,
        a.session() as ended,
        a.session() as live,
        at(b, ended.session) as ended_on_b,
        at(b, live.session) as live_on_b,
    ):
        for client in (ended_on_b, live_on_b):
            await client.call("b0_echo")
        (used,) = {heard.session for heard in backend.calls("tools/call")[:1]}
        relay.cut()
        assert await ended.delete() == 204
        # B has not heard of it, and has no way to know yet; its other sessions go on.
        assert b.inside.sessions == 2
        assert (await live_on_b.call("b0_echo"))["content"]
        before = epoch(b)
        relay.mend()
        await eventually(lambda: epoch(b) > before)
        assert (await ended_on_b.post(PING)).status_code == 404
        assert await ended_on_b.delete() == 404
        for client in (live_on_b, live):
            assert (await client.call("b0_echo"))["content"]
        await eventually(lambda: used not in backend.sessions)


@pytest.mark.scenario("S-7")
async def test_a_pod_that_stays_deaf_learns_of_an_end_by_its_own_touches(redis_server):
    backend, relay = everything(), Relay(redis_server)
    async with (
        backend.running(),
        relay.running(),
        pod(redis_server.address, backend, sessionManagement={"ttl": "2s"}) as a,
        pod(relay.address, backend, sessionManagement={"ttl": "2s"}) as b,
        a.session() as ended,
        a.session() as live,
        at(b, ended.session) as ended_on_b,
        at(b, live.session) as live_on_b,
    ):
        for client in (ended_on_b, live_on_b):
            assert (await client.post(PING)).status_code == 200
        relay.cut()
        assert await ended.delete() == 204
        # Within a third of the TTL and a tick, while it is in use all the time.
        await until_status(ended_on_b, PING, 404, 2.0)
        assert (await live_on_b.post(PING)).status_code == 200
        assert relay.is_deaf


@pytest.mark.scenario("S-7")
async def test_killed_subscriptions_cost_no_session_anything(redis_server):
    backend = everything()
    async with (
        backend.running(),
        pod(redis_server.address, backend) as a,
        pod(redis_server.address, backend) as b,
        a.session() as client,
        at(b, client.session) as there,
    ):
        await there.call("b0_echo")
        for number in range(3):
            counts = epoch(a), epoch(b)
            assert redis_server.command("CLIENT", "KILL", "TYPE", "pubsub") == b":4\r\n"
            calls = (each.call("b0_echo", {"n": str(number)}) for each in (client, there) * 10)
            assert all("content" in answer for answer in await asyncio.gather(*calls))
            await eventually(lambda before=counts: epoch(a) > before[0] and epoch(b) > before[1])
            await eventually(lambda: redis_server.command("PUBSUB", "CHANNELS").count(b"vmcp:") == 4)
        assert await there.delete() == 204
        await until_status(client, PING, 404, 5.0)
