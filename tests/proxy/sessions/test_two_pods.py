"""Two pods on one Redis."""

import asyncio

import pytest

from tests.proxy.sessions.pods import (
    ALICE,
    BOB,
    CAPABILITIES,
    HEADERS,
    KEYS,
    OTHER_HEADERS,
    Pod,
    empty,
    eventually,
    redis_store,
)
from tests.support.redis_server import Monitor
from vmcp_api.spec.sessions import SessionManagement
from vmcp_proxy.headerforward import EMPTY_SNAPSHOT
from vmcp_proxy.sessions import EndReason, Keyring, Missing, MissingReason, Session


@pytest.fixture
async def a(redis_server):
    async with Pod(redis_store(redis_server)) as pod:
        yield pod


@pytest.fixture
async def b(redis_server):
    async with Pod(redis_store(redis_server)) as pod:
        yield pod


@pytest.mark.scenario("S-5", "H-8")
async def test_a_session_made_on_one_pod_is_whole_on_the_other(a, b):
    session_id, made = await a.open()
    await a.sessions.shared.remember_backend(made, "github", b"backend-token")
    restored = await b.use(session_id)
    assert isinstance(restored, Session)
    assert restored.digest == made.digest
    assert restored.protocol_version == "2025-11-25"
    assert restored.client_capabilities == CAPABILITIES
    assert restored.backend_tokens == {"github": b"backend-token"}
    assert restored.snapshot == HEADERS
    assert restored.deadline == pytest.approx(made.deadline, abs=10.0)
    assert b.sessions.peek(session_id, ALICE) is restored


@pytest.mark.scenario("S-5")
async def test_a_session_outlives_the_crash_of_the_pod_that_made_it(a, b):
    session_id, _ = await a.open()
    await a.crash()
    assert isinstance(await b.use(session_id), Session)


@pytest.mark.scenario("S-5")
async def test_a_session_outlives_the_orderly_shutdown_of_the_pod_that_made_it(a, b):
    session_id, made = await a.open()
    await a.stop()
    assert a.ends == [(made.ref, EndReason.MOVED)]
    assert isinstance(await b.use(session_id), Session)


@pytest.mark.scenario("S-5", "S-1")
async def test_an_end_on_one_pod_is_an_end_on_the_other_at_once(a, b):
    session_id, _ = await a.open()
    on_b = await b.use(session_id)
    streams = []
    on_b.on_end(lambda: streams.append("released"))
    assert await a.sessions.end(session_id, ALICE) is None
    assert await b.end_of(on_b, 1.0) is EndReason.ENDED_ELSEWHERE
    assert streams == ["released"]
    assert await b.use(session_id) is MissingReason.ENDED
    await eventually(lambda: b.sessions.snapshots == b.sessions.live == 0)


@pytest.mark.scenario("S-1")
async def test_a_pod_without_the_session_can_end_it_without_headers(a, b):
    session_id, on_a = await a.open()
    assert await b.sessions.end(session_id, BOB) is not None
    assert await b.sessions.end(session_id, ALICE) is None
    assert await a.end_of(on_a, 1.0) is EndReason.ENDED_ELSEWHERE
    assert a.end_snapshots == [HEADERS]
    assert b.ends == []
    assert await b.sessions.end(session_id, ALICE) is not None


@pytest.mark.scenario("H-8")
@pytest.mark.parametrize("snapshot", [OTHER_HEADERS, EMPTY_SNAPSHOT], ids=["other", "none"])
async def test_other_or_no_headers_do_not_restore_a_session_nor_harm_it(a, b, snapshot):
    session_id, on_a = await a.open()
    assert await b.use(session_id, snapshot=snapshot) is MissingReason.HEADERS
    assert b.sessions.live == b.sessions.snapshots == 0
    assert await a.use(session_id) is on_a
    again, _ = await b.open(snapshot=snapshot)
    assert isinstance(await b.use(again, snapshot=snapshot), Session)


@pytest.mark.scenario("H-8")
async def test_headers_do_not_restore_a_session_that_had_none(a, b):
    session_id, _ = await a.open(snapshot=EMPTY_SNAPSHOT)
    assert await b.use(session_id, snapshot=HEADERS) is MissingReason.HEADERS
    assert isinstance(await b.use(session_id, snapshot=EMPTY_SNAPSHOT), Session)


@pytest.mark.scenario("H-8")
async def test_a_session_without_its_redis_key_is_unknown(a, b, redis_server):
    session_id, _ = await a.open()
    redis_server.command("FLUSHALL")
    assert await b.use(session_id) is MissingReason.UNKNOWN


@pytest.mark.scenario("S-3")
async def test_a_thief_gets_nothing_on_the_other_pod_either(a, b):
    session_id, on_a = await a.open()
    asked = []
    found = await b.sessions.resolve(session_id, BOB, lambda: asked.append(1) or HEADERS)
    assert found == Missing(MissingReason.FOREIGN)
    assert asked == []
    assert b.sessions.live == 0
    assert await a.use(session_id) is on_a
    assert isinstance(await b.use(session_id), Session)


async def test_a_pod_with_other_keys_knows_nothing(a, redis_server):
    session_id, _ = await a.open()
    async with Pod(redis_store(redis_server), Keyring.random()) as stranger:
        assert await stranger.use(session_id) is MissingReason.FORGED


async def test_a_pod_with_a_newer_key_restores_sessions_of_the_older_one(a, redis_server):
    session_id, made = await a.open()
    await a.sessions.shared.remember_backend(made, "github", b"backend-token")
    both = Keyring.of({"1": bytes(range(32)), "2": b"n" * 32})
    async with Pod(redis_store(redis_server), both) as newer:
        restored = await newer.use(session_id)
        assert restored.backend_tokens == {"github": b"backend-token"}
        assert (await newer.open())[0].startswith("v1.2.")
    assert KEYS.signing_kid == "1"


async def test_a_hundred_first_requests_restore_a_session_once(a, b, redis_server):
    session_id, _ = await a.open()
    async with Monitor(redis_server) as monitor:
        found = await asyncio.gather(*(b.use(session_id) for _ in range(100)))
        lines = await monitor.lines()
    assert len(set(found)) == 1
    assert isinstance(found[0], Session)
    assert sum(b'"EVALSHA"' in line for line in lines) == 2


async def test_a_cancelled_first_request_takes_nothing_from_the_others(a, b):
    session_id, _ = await a.open()
    requests = [asyncio.create_task(b.use(session_id)) for _ in range(5)]
    await asyncio.sleep(0)
    requests[0].cancel()
    await asyncio.wait(requests)
    assert requests[0].cancelled()
    assert len({request.result() for request in requests[1:]}) == 1
    assert isinstance(requests[1].result(), Session)
    assert len(b.sessions._flights) == 0


async def test_an_end_that_arrives_during_a_restore_wins(a, b):
    session_id, _ = await a.open()
    store = b.sessions._store
    touch = store.touch

    async def touch_and_dawdle(touches, ttl):
        answer = await touch(touches, ttl)
        (flight,) = b.sessions._flights._flights.values()
        assert await a.sessions.end(session_id, ALICE) is None
        await eventually(lambda: flight.ended)
        return answer

    store.touch = touch_and_dawdle
    assert await b.use(session_id) is MissingReason.ENDED
    store.touch = touch
    assert b.sessions.live == 0


async def test_a_full_pod_makes_room_for_a_session_that_comes_from_another(a, b):
    b.sessions.configure(SessionManagement(max_sessions_per_pod=2))
    old_id, old = await b.open()
    _, used = await b.open()
    moved_id, _ = await a.open()
    moved = await b.use(moved_id)
    assert isinstance(moved, Session)
    assert b.sessions.live == 2
    assert await b.end_of(old) is EndReason.EVICTED
    assert used.ended is None
    await eventually(lambda: b.sessions.snapshots == 2)
    assert isinstance(await b.use(old_id), Session)


async def test_a_token_that_was_tampered_with_is_made_anew(a, b, redis_server):
    session_id, session = await a.open()
    await a.sessions.shared.remember_backend(session, "github", b"one")
    redis_server.command("HSET", f"vmcp:session:team-a/desk:{session.digest.hex}", "backend:github", b"x" * 40)
    assert (await b.use(session_id)).backend_tokens == {}


async def test_peeking_never_restores(a, b):
    session_id, _ = await a.open()
    assert b.sessions.peek(session_id, ALICE) is None
    assert await b.sessions.resolve(session_id, ALICE, empty) == Missing(MissingReason.HEADERS)
