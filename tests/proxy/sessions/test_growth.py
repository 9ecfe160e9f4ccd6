"""Sessions cost nothing when they are over, and little while they last."""

import contextlib
import gc
import tracemalloc
from collections import Counter

import pytest

from tests.proxy.sessions.pods import ALICE, HEADERS, Pod, eventually, redis_store
from tests.support import heap
from tests.support.redis_server import Monitor
from vmcp_api.spec.sessions import SessionManagement
from vmcp_proxy.headerforward import HeaderSnapshot
from vmcp_proxy.sessions import Created, Keyring, Session, SessionIds, SessionManager
from vmcp_proxy.sessions.store.memory import MemoryStore


async def cycle(pod, snapshot):
    session_id, session = await pod.open(snapshot=snapshot)
    await pod.sessions.shared.remember_backend(session, "github", b"token")
    assert pod.sessions.peek(session_id, ALICE) is session
    assert await pod.sessions.end(session_id, ALICE) is None
    pod.ends.clear()
    pod.end_snapshots.clear()


def population():
    return Counter(type(thing).__qualname__ for thing in heap.objects())


def grown(before):
    """What there is more of than there was: each of what belongs to a session, of others only what is many."""
    kept = {"Session", "HeaderSnapshot", "_Entry", "Flight"}
    more = population() - before
    return {kind: count for kind, count in more.items() if kind in kept or count > 1000}


@pytest.mark.scenario("S-9", "H-6")
async def test_ten_thousand_sessions_that_came_and_went_leave_nothing():
    async with Pod(MemoryStore()) as pod:
        for _ in range(100):
            await cycle(pod, HEADERS)
        before = population()
        for number in range(10_000):
            await cycle(pod, HeaderSnapshot([("X-Api-Key", b"%d" % number)]))
        # What the loop and the upkeep of sessions still have in hand is gone a little later.
        with contextlib.suppress(TimeoutError):
            await eventually(lambda: not grown(before), 20.0)
        assert not grown(before)
        sessions = pod.sessions
        assert sessions.live == sessions.snapshots == len(pod.store) == len(sessions._pending) == 0
        assert len(sessions._cache._callers) == len(sessions._cache._ids) == len(sessions._retirements) == 0


@pytest.mark.scenario("S-9")
async def test_sessions_that_came_and_went_leave_only_tombstones_in_redis(redis_server):
    async with Pod(redis_store(redis_server), max_lifetime=2.0) as pod:
        for _ in range(50):
            await cycle(pod, HEADERS)
        assert redis_server.command("DBSIZE") == b":50\r\n"
        await eventually(lambda: redis_server.command("DBSIZE") == b":0\r\n")


async def test_a_live_session_takes_less_than_four_kibibytes():
    async with Pod(MemoryStore()) as pod:
        await pod.open()
        gc.collect()
        tracemalloc.start()
        for number in range(1000):
            await pod.open(snapshot=HeaderSnapshot([("X-Api-Key", b"%032d" % number)]))
        gc.collect()
        size, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert size / 1000 < 4096


async def test_the_hot_path_says_nothing_to_redis(redis_server):
    async with Pod(redis_store(redis_server)) as pod:
        session_id, session = await pod.open()
        async with Monitor(redis_server) as monitor:
            for _ in range(2000):
                assert await pod.use(session_id) is session
            lines = [line for line in await monitor.lines() if b"EVAL" in line or b"HSET" in line]
    assert lines == []


class CountingStore(MemoryStore):
    """Counts the touches."""

    def __init__(self, clock):
        super().__init__(clock)
        self.touches = 0

    async def touch(self, touches, ttl):
        self.touches += len(touches)
        return await super().touch(touches, ttl)


async def test_a_session_in_constant_use_is_written_once_a_minute():
    now = [1000.0]

    async def on_end(_session, _reason):
        raise AssertionError("nothing ends here")

    store = CountingStore(lambda: now[0])
    sessions = SessionManager(
        store=store,
        ids=SessionIds(Keyring.random()),
        settings=SessionManagement(),
        on_end=on_end,
        clock=lambda: now[0],
    )
    created = await sessions.create(
        ALICE, protocol_version="2025-11-25", client_capabilities=b"{}", client_info=b"{}", snapshot=HEADERS
    )
    assert isinstance(created, Created)
    for _ in range(3600):
        now[0] += 1.0
        assert isinstance(sessions.peek(created.session_id, ALICE), Session)
        await sessions._upkeep.tick()
    assert 50 <= store.touches <= 60
    for _ in range(1700):
        now[0] += 1.0
        await sessions._upkeep.tick()
    assert store.touches <= 61
    assert sessions.live == 1
