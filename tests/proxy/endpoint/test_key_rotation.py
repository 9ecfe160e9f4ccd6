"""Session keys change on pods that share a Redis, on one before the other."""

import asyncio
import contextlib
from dataclasses import replace

import pytest

from tests.proxy.endpoint.helpers import QUIET
from tests.proxy.endpoint.test_pausing import FORM, PARKED, asked_by, go_on
from tests.proxy.endpoint.test_server_requests import Asker
from tests.support.raw_client import RawClient, eventually
from tests.support.scene import scene
from tests.support.serving import load
from vmcp_proxy.keys import rotation
from vmcp_proxy.protocol.methods import Era
from vmcp_proxy.run.settings import Settings
from vmcp_proxy.sessions import Keyring

ONE = {"1": b"a" * 32}
BOTH = {**ONE, "2": b"b" * 32}
PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}


def read(world, keys, signing):
    """The files of a pod say other keys, or that another signs."""
    loaded = load({**world.config, **({"signingKey": signing} if signing else {})})
    world.proxy.apply(replace(loaded, keyring=Keyring.of(keys)))


@contextlib.asynccontextmanager
async def two_pods(redis, signing):
    """Two pods that have read the first key."""
    storage = {"provider": "redis", "address": redis.address}
    settings = Settings(port=0, admin_port=0, handles_signals=False, needs_keys=True)
    async with contextlib.AsyncExitStack() as stack:
        pods = [await stack.enter_async_context(scene({}, settings=settings, config=QUIET, sessionStorage=storage))]
        pods += [await stack.enter_async_context(scene({}, settings=settings, config=QUIET, sessionStorage=storage))]
        for pod in pods:
            read(pod, ONE, signing)
        yield pods


async def session_of(world):
    """A new session's id."""
    async with world.session() as client:
        return client.session


async def answers(worlds, session):
    """What pods answer to a session: HTTP status codes."""

    async def ask(world):
        async with RawClient(world.url) as client:
            client.session = session
            return (await client.post({**PING})).status_code

    return [*await asyncio.gather(*map(ask, worlds))]


def key_of(session):
    return session.split(".")[1]


@pytest.mark.scenario("K-11", "S-5")
async def test_no_session_is_refused_while_pods_read_a_key_one_after_the_other_and_then_that_it_signs(redis_server):
    async with two_pods(redis_server, "1") as pods:
        first, second = pods
        former = await session_of(first)
        steps = ((first, BOTH, "1"), (second, BOTH, "1"), (first, BOTH, "2"), (second, BOTH, "2"))
        signed = []
        for pod, keys, signing in steps:
            read(pod, keys, signing)
            sessions = [await session_of(each) for each in pods]
            signed.append([key_of(each) for each in sessions])
            for session in (former, *sessions):
                assert await answers(pods, session) == [200, 200]
        assert signed == [["1", "1"], ["1", "1"], ["2", "1"], ["2", "2"]]
        said = await second.status()
        assert (said["keyIds"], said["signingKey"]) == (["1", "2"], "2")
        for pod in pods:
            read(pod, {"2": BOTH["2"]}, "2")
        assert await answers(pods, former) == [404, 404]
        assert await answers(pods, sessions[0]) == [200, 200]


@pytest.mark.scenario("K-11", "S-5")
async def test_where_nobody_says_which_key_signs_another_one_does_after_a_while(redis_server, monkeypatch):
    async with two_pods(redis_server, None) as pods:
        first, second = pods
        read(first, BOTH, None)
        made = await session_of(first)
        assert key_of(made) == "1"
        assert await answers(pods, made) == [200, 200]
        read(second, BOTH, None)
        monkeypatch.setattr(rotation, "SPREAD_SECONDS", 0.05)
        for pod in pods:
            # Whatever the files say anew lets the pod look at its clock.
            read(pod, BOTH, None)
            await eventually(lambda pod=pod: pod.proxy.status().signing_key == "2")
        later = await session_of(first)
        assert key_of(later) == "2"
        assert await answers(pods, later) == [200, 200]
        assert await answers(pods, made) == [200, 200]


@pytest.mark.scenario("K-11")
async def test_a_key_that_is_added_and_signs_ends_nothing_that_waits(monkeypatch):
    monkeypatch.setattr("tests.support.eras.current", Era.MODERN)
    asker = Asker("elicitation/create", FORM)
    async with asked_by(asker.backend) as (world, client):
        asked = await client.call("one_echo")
        both = world.inside.add_key("1")
        world.inside.rotate(both.signed_by("0"))
        world.inside.rotate(both)
        assert (await world.metrics())[PARKED] == 1
        assert "result" in await go_on(client, asked)
