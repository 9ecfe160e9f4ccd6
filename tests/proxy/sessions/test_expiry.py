"""Sessions end by themselves: idle or old, actively and on every pod alike."""

import asyncio
import time

import pytest

from tests.proxy.sessions.pods import ALICE, HEADERS, OTHER_HEADERS, Pod, eventually, redis_store
from tests.support.held_up import again_where_held_up
from vmcp_api.spec.sessions import SessionManagement
from vmcp_proxy.headerforward import EMPTY_SNAPSHOT
from vmcp_proxy.sessions import EndReason, MissingReason, Session
from vmcp_proxy.sessions.store.memory import MemoryStore
from vmcp_proxy.sessions.upkeep.timing import Pace

GONE = {MissingReason.EXPIRED, MissingReason.ENDED, MissingReason.UNKNOWN}


@pytest.fixture(params=["memory", "redis"])
async def store(request, redis_server):
    return MemoryStore() if request.param == "memory" else redis_store(redis_server)


@pytest.mark.scenario("S-6", "H-6")
async def test_an_idle_session_ends_by_itself_and_its_headers_go(store):
    async with Pod(store, ttl=0.3) as pod:
        session_id, session = await pod.open()
        started = time.monotonic()
        assert await pod.end_of(session) is EndReason.EXPIRED
        assert time.monotonic() - started >= 0.3
        await eventually(lambda: pod.sessions.snapshots == 0)
        assert pod.sessions.live == 0
        assert session.snapshot == EMPTY_SNAPSHOT
        assert pod.end_snapshots == [HEADERS]
        assert await pod.use(session_id) in GONE


@pytest.mark.scenario("S-6")
@again_where_held_up(0.4)
async def test_use_keeps_a_session_alive_past_many_ttls(store):
    async with Pod(store, ttl=1.0) as pod:
        session_id, session = await pod.open()
        started = time.monotonic()
        while time.monotonic() - started < 2.2:
            assert await pod.use(session_id) is session
            await asyncio.sleep(0.05)
        assert pod.ends == []
        assert await pod.end_of(session) is EndReason.EXPIRED


@pytest.mark.scenario("S-6", "H-6")
async def test_a_session_in_constant_use_ends_with_its_lifetime(store):
    async with Pod(store, ttl=30, max_lifetime=0.6) as pod:
        session_id, session = await pod.open()
        started = time.monotonic()
        uses = 0
        asked = started
        while isinstance(found := await pod.use(session_id), Session):
            uses += 1
            assert asked - started < 0.6
            await asyncio.sleep(0.02)
            asked = time.monotonic()
        assert found in GONE
        assert uses > 0
        assert await pod.end_of(session) is EndReason.EXPIRED
        await eventually(lambda: pod.sessions.snapshots == pod.sessions.live == 0)


@pytest.mark.scenario("S-6")
async def test_a_session_is_refused_from_its_ttl_on_even_before_it_is_swept(store):
    pod = Pod(store, ttl=0.2)
    session_id, session = await pod.open()
    await asyncio.sleep(0.21)
    assert pod.sessions.live == 1
    assert await pod.use(session_id) is MissingReason.EXPIRED
    assert await pod.sessions.end(session_id, ALICE) is not None
    async with pod:
        assert await pod.end_of(session) is EndReason.EXPIRED


async def test_a_shorter_lifetime_holds_for_the_sessions_that_exist(store):
    async with Pod(store, ttl=30) as pod:
        _, session = await pod.open()
        pod.sessions.configure(SessionManagement(ttl=30, max_lifetime=0.2))
        assert await pod.end_of(session) is EndReason.EXPIRED


async def test_a_shorter_ttl_holds_for_the_sessions_that_exist(store):
    async with Pod(store, ttl=600) as pod:
        _, session = await pod.open()
        pod.sessions.configure(SessionManagement(ttl=0.2))
        assert await pod.end_of(session) is EndReason.EXPIRED


async def test_a_thief_cannot_keep_a_session_alive(store):
    async with Pod(store, ttl=0.4) as pod:
        session_id, session = await pod.open()
        ended = asyncio.create_task(pod.end_of(session))
        while not ended.done():
            await pod.use(session_id, identity=type(ALICE)("https://idp.example", "mallory"))
            await asyncio.sleep(0.02)
        assert await ended is EndReason.EXPIRED


@pytest.mark.scenario("S-6", "H-6")
@again_where_held_up(0.4)
async def test_an_idle_copy_goes_and_the_session_lives_on_where_it_is_used(redis_server):
    async with Pod(redis_store(redis_server), ttl=1.0) as a, Pod(redis_store(redis_server), ttl=1.0) as b:
        session_id, on_a = await a.open()
        moved = asyncio.create_task(a.end_of(on_a))
        while not moved.done():
            assert isinstance(await b.use(session_id), Session)
            await asyncio.sleep(0.03)
        assert await moved is EndReason.MOVED
        await eventually(lambda: a.sessions.snapshots == a.sessions.live == 0)
        assert b.ends == []
        assert isinstance(await a.use(session_id), Session)
        assert await a.use(session_id, snapshot=OTHER_HEADERS) is not MissingReason.HEADERS


@pytest.mark.scenario("S-6")
async def test_an_idle_session_ends_on_both_pods_and_somebody_deletes_its_backend_sessions(redis_server):
    async with Pod(redis_store(redis_server), ttl=0.4) as a, Pod(redis_store(redis_server), ttl=0.4) as b:
        session_id, on_a = await a.open()
        on_b = await b.use(session_id)
        reasons = {await a.end_of(on_a), await b.end_of(on_b)}
        assert any(reason.deletes_backend_sessions for reason in reasons)
        assert await a.use(session_id) in GONE
        assert await b.use(session_id) in GONE


@again_where_held_up(0.4)
async def test_a_copy_that_was_idle_here_is_revived_by_uses_elsewhere(redis_server):
    # A does not keep house, so that its copy is still there when it is past its TTL.
    a = Pod(redis_store(redis_server), ttl=1.0)
    async with Pod(redis_store(redis_server), ttl=1.0) as b:
        session_id, on_a = await a.open()
        started = time.monotonic()
        while time.monotonic() - started < 1.1:
            assert isinstance(await b.use(session_id), Session)
            await asyncio.sleep(0.03)
        assert await a.use(session_id, snapshot=OTHER_HEADERS) is on_a
        assert await b.sessions.end(session_id, ALICE) is None
        await asyncio.sleep(1.01)
        assert await a.use(session_id) is MissingReason.ENDED
    await a.stop()


@pytest.mark.scenario("S-6")
@again_where_held_up(0.4)
async def test_a_session_whose_pod_died_does_not_outlive_its_ttl(redis_server):
    async with Pod(redis_store(redis_server), ttl=1.0) as a, Pod(redis_store(redis_server), ttl=1.0) as b:
        idle_id, _ = await a.open()
        used_id, _ = await a.open()
        await a.crash()
        crashed = time.monotonic()
        while time.monotonic() - crashed < 1.05:
            assert isinstance(await b.use(used_id), Session)
            await asyncio.sleep(0.05)
        assert await b.use(idle_id) is MissingReason.EXPIRED
        assert isinstance(await b.use(used_id), Session)


def test_housekeeping_keeps_a_use_at_the_last_moment_from_being_missed():
    for ttl in (0.3, 1.0, 60.0, 1800.0, 604800.0):
        pace = Pace.of(SessionManagement(ttl=ttl, max_lifetime=2592000))
        assert 2 * pace.tick <= pace.grace
        assert 2 * pace.tick < pace.touch_interval
        assert 3 * pace.touch_interval <= ttl
        assert pace.touch_interval <= 60.0
