"""Redis goes away, comes back empty, hangs, or loses messages."""

import asyncio
import math
import time

import pytest

from tests.proxy.sessions.pods import ALICE, HEADERS, KEYS, Pod, eventually, once_available, redis_store
from tests.support.held_up import again_where_held_up
from tests.support.redis_server import RedisServer, running
from vmcp_proxy.headerforward import EMPTY_SNAPSHOT
from vmcp_proxy.redis_client.calls import CALL_SECONDS
from vmcp_proxy.sessions import (
    EndReason,
    MissingReason,
    RefusalReason,
    Refused,
    SessionIds,
    StoreUnavailable,
)


async def create(pod):
    return await pod.sessions.create(
        ALICE, protocol_version="2025-11-25", client_capabilities=b"{}", client_info=b"{}", snapshot=HEADERS
    )


@pytest.fixture
async def a(own_redis):
    async with Pod(redis_store(own_redis)) as pod:
        yield pod


@pytest.fixture
async def b(own_redis):
    async with Pod(redis_store(own_redis)) as pod:
        yield pod


@pytest.mark.scenario("S-7")
async def test_a_pod_that_starts_without_redis_says_why_and_recovers_by_itself(tmp_path):
    server = RedisServer(tmp_path)
    pod = Pod(redis_store(server))
    pod.start()
    try:
        assert await create(pod) == Refused(RefusalReason.UNAVAILABLE)
        assert await pod.use(SessionIds(KEYS).mint()) is MissingReason.UNAVAILABLE
        assert str(pod.store.state) == "unavailable"
        assert pod.store.state.message == "no connection to Redis"
        server.start()
        await pod.subscribed(1)
        session_id, session = await pod.open()
        assert await pod.use(session_id) is session
        assert str(pod.store.state) == "ok"
        assert pod.store.state.message == ""
    finally:
        await pod.stop()
        server.stop()


@pytest.mark.scenario("S-7")
async def test_a_pod_that_nobody_has_used_yet_finds_out_about_redis_at_its_start(tmp_path):
    server = RedisServer(tmp_path)
    for prepare, state in ((lambda: None, "unavailable"), (server.start, "ok")):
        prepare()
        pod = Pod(redis_store(server))
        assert str(pod.store.state) == "unknown"
        assert pod.store.state.message
        pod.start()
        try:
            await eventually(lambda pod=pod, state=state: str(pod.store.state) == state)
        finally:
            await pod.stop()
    server.stop()


@pytest.mark.scenario("S-7")
async def test_cached_sessions_go_on_and_the_rest_gets_unavailable_while_redis_is_away(a, b, own_redis):
    session_id, session = await a.open()
    own_redis.stop()
    for _ in range(3):
        assert await a.use(session_id) is session
        assert await b.use(session_id) is MissingReason.UNAVAILABLE
        assert await create(a) == Refused(RefusalReason.UNAVAILABLE)
    await eventually(lambda: str(a.store.state) == "unavailable")
    assert a.ends == []
    own_redis.start()
    await a.subscribed(2)
    await a.open()
    assert await a.use(session_id) is session


@pytest.mark.scenario("S-7")
async def test_sessions_come_back_to_a_redis_that_lost_its_data(a, b, own_redis):
    session_id, session = await a.open()
    await a.sessions.shared.remember_backend(session, "github", b"backend-token")
    own_redis.stop()
    own_redis.start()
    await a.subscribed(2)
    await eventually(lambda: own_redis.command("DBSIZE") == b":1\r\n")
    restored = await once_available(lambda: b.use(session_id))
    assert restored.backend_tokens == {"github": b"backend-token"}
    assert restored.deadline == pytest.approx(session.deadline, abs=10.0)
    assert a.ends == []


@pytest.mark.scenario("S-7")
async def test_a_delete_while_redis_is_away_is_made_up_for(a, b, own_redis):
    session_id, on_a = await a.open()
    on_b = await b.use(session_id)
    own_redis.stop()
    assert await a.sessions.end(session_id, ALICE) is None
    assert a.ends == [(on_a.ref, EndReason.DELETED)]
    assert await a.use(session_id) is MissingReason.ENDED
    assert await a.sessions.end(session_id, ALICE) is not None
    own_redis.start()
    assert await b.end_of(on_b) is EndReason.ENDED_ELSEWHERE
    assert await b.use(session_id) is MissingReason.ENDED
    assert await a.use(session_id) is MissingReason.ENDED


@pytest.mark.scenario("S-7")
async def test_the_end_of_an_unknown_session_cannot_be_told_while_redis_is_away(a, b, own_redis):
    session_id, on_a = await a.open()
    own_redis.stop()
    with pytest.raises(StoreUnavailable):
        await b.sessions.end(session_id, ALICE)
    assert on_a.ended is None


@pytest.mark.scenario("S-7")
async def test_a_redis_that_hangs_costs_a_bounded_wait_once_and_cached_sessions_nothing(monkeypatch, a, own_redis):
    session_id, session = await a.open()
    own_redis.freeze()
    started = time.monotonic()
    assert await create(a) == Refused(RefusalReason.UNAVAILABLE)
    assert time.monotonic() - started < 2 * CALL_SECONDS

    async def never(*_):
        raise AssertionError("Redis is asked while it rests")

    # The rest lasts for as long as the test looks at it.
    calls = a.store._calls
    monkeypatch.setattr(calls, "_rests_until", math.inf)
    monkeypatch.setattr(a.store._client, "execute_command", never)
    assert await a.use(session_id) is session
    assert await create(a) == Refused(RefusalReason.UNAVAILABLE)
    monkeypatch.undo()
    assert a.store.state.message == "Redis does not answer in time"
    own_redis.thaw()
    opened = await once_available(lambda: create(a))
    assert await a.use(opened.session_id) is opened.session


@pytest.mark.scenario("H-6", "S-7")
async def test_headers_of_an_idle_session_go_in_time_although_redis_is_away(own_redis):
    async with Pod(redis_store(own_redis), ttl=0.3) as pod:
        _, session = await pod.open()
        own_redis.stop()
        await eventually(lambda: pod.sessions.snapshots == pod.sessions.live == 0)
        assert session.snapshot == EMPTY_SNAPSHOT
        assert pod.ends == []
        own_redis.start()
        assert await pod.end_of(session) is EndReason.EXPIRED


@pytest.mark.scenario("S-7")
@again_where_held_up(0.8)
async def test_after_data_loss_an_idle_copy_does_not_end_what_another_pod_uses(own_redis):
    b = Pod(redis_store(own_redis), ttl=2.0)
    async with Pod(redis_store(own_redis), ttl=2.0) as a:
        session_id, on_a = await a.open()
        on_b = await b.use(session_id)
        own_redis.stop()
        while a.sessions.live:
            assert await b.use(session_id) is on_b
            await asyncio.sleep(0.02)
        own_redis.start()
        await a.subscribed(2)
        # B comes back a second later than A; it has been in use all the time.
        verdict = asyncio.create_task(a.end_of(on_a))
        asyncio.get_running_loop().call_later(1.0, b.start)
        while not verdict.done():
            assert await b.use(session_id) is on_b
            await asyncio.sleep(0.02)
        assert await verdict is EndReason.MOVED
        assert b.ends == []
        await b.stop()


async def test_a_backend_token_that_could_not_be_written_is_written_later(a, b, own_redis):
    session_id, session = await a.open()
    own_redis.stop()
    await a.sessions.shared.remember_backend(session, "github", b"backend-token")
    assert session.backend_tokens == {"github": b"backend-token"}
    assert session.unsaved == {"github"}
    own_redis.start()
    await eventually(lambda: not session.unsaved)
    assert (await once_available(lambda: b.use(session_id))).backend_tokens == {"github": b"backend-token"}


@pytest.mark.scenario("S-7")
async def test_an_end_whose_message_is_lost_is_found_at_the_next_touch(own_redis):
    async with Pod(redis_store(own_redis), ttl=0.6) as a:
        deaf = Pod(redis_store(own_redis), ttl=0.6)
        deaf.sessions._on_ended = lambda _digest: None
        async with deaf as b:
            session_id, _ = await a.open()
            on_b = await b.use(session_id)
            ended = asyncio.create_task(b.end_of(on_b))
            assert await a.sessions.end(session_id, ALICE) is None
            # Used all the time, it would live on for ever.
            while not ended.done():
                await b.use(session_id)
                await asyncio.sleep(0.01)
            assert await ended is EndReason.ENDED_ELSEWHERE


@pytest.mark.scenario("S-7")
async def test_after_a_gap_in_the_messages_no_session_is_used_unchecked(own_redis):
    async with Pod(redis_store(own_redis)) as a:
        b = Pod(redis_store(own_redis))
        ended_id, _ = await a.open()
        live_id, _ = await a.open()
        await b.use(ended_id)
        live = await b.use(live_id)
        await a.sessions.end(ended_id, ALICE)
        assert b.sessions.peek(ended_id, ALICE) is not None
        b.sessions._upkeep.doubt_all()
        assert b.sessions.peek(ended_id, ALICE) is None
        assert await b.use(ended_id) is MissingReason.ENDED
        assert await b.use(live_id) is live
        assert b.sessions.peek(live_id, ALICE) is live
        await b.stop()


@pytest.mark.scenario("S-7")
async def test_a_cut_subscription_is_taken_up_again_and_sessions_are_checked(a, b, own_redis):
    session_id, _ = await a.open()
    on_b = await b.use(session_id)
    assert own_redis.command("CLIENT", "KILL", "TYPE", "pubsub") == b":2\r\n"
    await a.subscribed(2)
    await b.subscribed(2)
    await eventually(lambda: b.sessions.peek(session_id, ALICE) is on_b)
    assert await a.sessions.end(session_id, ALICE) is None
    assert await b.end_of(on_b) is EndReason.ENDED_ELSEWHERE


@pytest.mark.scenario("S-7")
async def test_doubt_does_not_take_away_a_session_while_redis_is_away(a, own_redis):
    session_id, session = await a.open()
    own_redis.stop()
    a.sessions._upkeep.doubt_all()
    assert a.sessions.peek(session_id, ALICE) is None
    assert await a.use(session_id) is session


async def test_a_redis_that_refuses_the_password_is_said_so(tmp_path):
    with running(RedisServer(tmp_path, "--requirepass", "right")) as server:
        pod = Pod(redis_store(server, b"canary-wrong"))
        pod.start()
        assert await create(pod) == Refused(RefusalReason.UNAVAILABLE)
        assert pod.store.state.message.startswith("Redis refuses the user name or password; ")
        await pod.stop()


async def test_shutdown_is_quick_while_redis_hangs(own_redis):
    pod = Pod(redis_store(own_redis))
    async with pod:
        _, session = await pod.open()
        session.touch(session.last_seen + 0.1)
        own_redis.freeze()
        started = time.monotonic()
        await pod.stop()
        assert time.monotonic() - started < 7.0
        assert pod.sessions.snapshots == 0
        own_redis.thaw()
