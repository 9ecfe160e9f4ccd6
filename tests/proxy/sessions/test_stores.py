"""What both stores do, and what only the shared one does."""

import asyncio
import re
from dataclasses import replace

import pytest

from tests.proxy.sessions.pods import SCOPE, OwnStore, eventually, redis_store
from vmcp_api.config.sessions import StorageConfig
from vmcp_proxy.redis_client.addresses import BadAddressError, parse_addresses
from vmcp_proxy.redis_client.service import build_service
from vmcp_proxy.sessions import SessionDigest, StoreUnavailable, build_store
from vmcp_proxy.sessions.store.memory import MemoryStore
from vmcp_proxy.sessions.store.protocol import Absent, End, Ended, Found, IdleEnd, Presence, Times, Touch
from vmcp_proxy.sessions.store.record import SessionRecord
from vmcp_proxy.sessions.store.redis import RedisStore

DIGEST = "ab" * 32
OTHER = "cd" * 32
RECORD = SessionRecord(b"binding\x00\xff", b"print", "2025-11-25", b'{"roots":{}}', (("github", b"\x01"),))
NEW = Times(age=0.0, idle=0.0, left=3600.0)
KEY = f"vmcp:session:{SCOPE}:{DIGEST}"


@pytest.fixture
async def shared(redis_server):
    store = redis_store(redis_server)
    yield store
    await store.aclose()


@pytest.fixture(params=["memory", "redis"])
async def store(request, redis_server):
    made = MemoryStore() if request.param == "memory" else redis_store(redis_server)
    yield made
    await made.aclose()


async def test_a_record_is_found_as_it_was_created(store):
    assert await store.load(DIGEST) == Absent()
    assert await store.create(DIGEST, RECORD, Times(age=100.0, idle=20.0, left=500.0), 60.0) is Presence.LIVE
    found = await store.load(DIGEST)
    assert isinstance(found, Found)
    assert found.record == RECORD
    assert found.times.age == pytest.approx(100.0, abs=8.0)
    assert found.times.idle == pytest.approx(20.0, abs=8.0)
    assert found.times.left == pytest.approx(500.0, abs=8.0)


async def test_creating_a_record_that_exists_changes_nothing(store):
    await store.create(DIGEST, RECORD, NEW, 60.0)
    other = SessionRecord(b"x", b"y", "z", b"{}")
    assert await store.create(DIGEST, other, NEW, 60.0) is Presence.LIVE
    assert (await store.load(DIGEST)).record == RECORD


async def test_touches_move_the_last_use_forward_only(store):
    await store.create(DIGEST, RECORD, Times(age=100.0, idle=90.0, left=500.0), 600.0)
    assert await store.touch([Touch(DIGEST, 30.0), Touch(OTHER, 0.0)], 600.0) == (
        Presence.LIVE,
        Presence.MISSING,
    )
    assert (await store.load(DIGEST)).times.idle == pytest.approx(30.0, abs=8.0)
    await store.touch([Touch(DIGEST, 80.0)], 600.0)
    assert (await store.load(DIGEST)).times.idle == pytest.approx(30.0, abs=8.0)
    assert (await store.load(DIGEST)).times.left == pytest.approx(500.0, abs=8.0)


async def test_an_idle_end_spares_a_session_that_was_used_since(store):
    await store.create(DIGEST, RECORD, Times(age=100.0, idle=50.0, left=500.0), 600.0)
    ends = [IdleEnd(DIGEST, 60.0, 500.0), IdleEnd(OTHER, 60.0, 500.0)]
    assert await store.end_idle(ends) == (Presence.LIVE, Presence.MISSING)
    assert isinstance(await store.load(DIGEST), Found)
    assert await store.end_idle([IdleEnd(DIGEST, 40.0, 500.0)]) == (Presence.ENDED,)
    assert not isinstance(await store.load(DIGEST), Found)


async def test_backend_tokens_are_set_and_replaced(store):
    await store.create(DIGEST, RECORD, NEW, 60.0)
    await store.put_backend(DIGEST, "alpha", b"\x02")
    await store.put_backend(DIGEST, "github", b"\x03")
    assert (await store.load(DIGEST)).record.backends == (("alpha", b"\x02"), ("github", b"\x03"))
    await store.put_backend(DIGEST, "alpha", b"\x04")
    assert (await store.load(DIGEST)).record.backends == (("alpha", b"\x04"), ("github", b"\x03"))


async def test_a_backend_token_does_not_bring_back_a_session_that_is_gone(store):
    await store.create(DIGEST, RECORD, NEW, 60.0)
    await store.end([End(DIGEST, 100.0)])
    await store.put_backend(DIGEST, "github", b"\x03")
    assert not isinstance(await store.load(DIGEST), Found)


async def test_level_and_stream_are_set_and_a_stream_is_cleared_by_its_own_pod_only(store):
    await store.create(DIGEST, RECORD, NEW, 60.0)
    await store.put_level(DIGEST, "debug")
    assert await store.take_stream(DIGEST, "pod-a") is None
    record = (await store.load(DIGEST)).record
    assert (record.log_level, record.stream) == ("debug", "pod-a")
    await store.clear_stream(DIGEST, "pod-b")
    assert await store.stream_of(DIGEST) == "pod-a"
    await store.clear_stream(DIGEST, "pod-a")
    assert await store.stream_of(DIGEST) is None
    assert (await store.load(DIGEST)).record == replace(RECORD, log_level="debug")


async def test_level_and_stream_do_not_bring_back_a_session_that_is_gone(store):
    await store.create(DIGEST, RECORD, NEW, 60.0)
    await store.end([End(DIGEST, 100.0)])
    for digest in (DIGEST, OTHER):
        await store.put_level(digest, "debug")
        assert await store.take_stream(digest, "pod-a") is None
        assert await store.claim_stream(digest, "pod-b")
        await store.clear_stream(digest, "pod-a")
        assert await store.stream_of(digest) is None
        assert not isinstance(await store.load(digest), Found)


async def test_a_memory_store_keeps_nothing_of_an_ended_session():
    store = MemoryStore()
    await store.create(DIGEST, RECORD, NEW, 60.0)
    await store.end([End(DIGEST, 3600.0)])
    assert len(store) == 0
    assert await store.load(DIGEST) == Absent()


async def test_a_tombstone_stands_for_the_lifetime_left_and_bars_the_way_back(shared, redis_server):
    await shared.create(DIGEST, RECORD, NEW, 60.0)
    await shared.end([End(DIGEST, 1000.0)])
    assert await shared.load(DIGEST) == Ended()
    assert await shared.touch([Touch(DIGEST, 0.0)], 60.0) == (Presence.ENDED,)
    assert await shared.create(DIGEST, RECORD, NEW, 60.0) is Presence.ENDED
    assert await shared.end_idle([IdleEnd(DIGEST, 1.0, 5.0)]) == (Presence.ENDED,)
    assert 990 <= int(redis_server.command("TTL", KEY)[1:]) <= 1000
    assert redis_server.command("HLEN", KEY) == b":1\r\n"


async def test_an_end_without_lifetime_left_leaves_no_tombstone(shared, redis_server):
    await shared.create(DIGEST, RECORD, NEW, 60.0)
    await shared.end([End(DIGEST, 0.0)])
    assert redis_server.command("DBSIZE") == b":0\r\n"


async def test_a_key_expires_by_itself_soon_after_the_ttl_and_never_after_the_lifetime(shared, redis_server):
    await shared.create(DIGEST, RECORD, NEW, 100.0)
    assert 150 <= int(redis_server.command("TTL", KEY)[1:]) <= 160
    await shared.touch([Touch(DIGEST, 10.0)], 300.0)
    assert 340 <= int(redis_server.command("TTL", KEY)[1:]) <= 360
    await shared.touch([Touch(DIGEST, 0.0)], 100_000.0)
    assert 3590 <= int(redis_server.command("TTL", KEY)[1:]) <= 3600


async def test_a_foreign_hash_under_a_session_key_is_no_session(shared, redis_server):
    redis_server.command("HSET", KEY, "seen", "yesterday", "binding", "x")
    assert await shared.load(DIGEST) == Absent()


@pytest.mark.parametrize(
    "damage",
    [
        ("SET", KEY, "text"),
        ("RPUSH", KEY, "text"),
        ("HSET", KEY, "seen", "yesterday"),
        ("HSET", KEY, "deadline", "inf"),
        ("HSET", KEY, "seen", "nan"),
        ("HDEL", KEY, "deadline"),
    ],
    ids=lambda damage: " ".join((damage[0], *damage[2:])),
)
async def test_what_is_no_session_is_missing_harms_no_other_one_and_gives_way(shared, redis_server, damage):
    await shared.create(OTHER, RECORD, NEW, 60.0)
    if damage[0].startswith("H"):
        await shared.create(DIGEST, RECORD, NEW, 60.0)
    redis_server.command(*damage)
    assert await shared.load(DIGEST) == Absent()
    touches = [Touch(DIGEST, 0.0), Touch(OTHER, 0.0)]
    assert await shared.touch(touches, 60.0) == (Presence.MISSING, Presence.LIVE)
    assert await shared.create(DIGEST, RECORD, NEW, 60.0) is Presence.LIVE
    assert (await shared.load(DIGEST)).record == RECORD


async def test_a_key_of_another_type_is_no_session_for_any_question(shared, redis_server):
    redis_server.command("SET", KEY, "text")
    assert await shared.end_idle([IdleEnd(DIGEST, 1.0, 5.0)]) == (Presence.MISSING,)
    await shared.put_backend(DIGEST, "github", b"\x03")
    await shared.put_level(DIGEST, "debug")
    assert await shared.take_stream(DIGEST, "pod-a") is None
    assert await shared.claim_stream(DIGEST, "pod-a")
    await shared.clear_stream(DIGEST, "pod-a")
    assert await shared.stream_of(DIGEST) is None
    assert redis_server.command("GET", KEY) == b"$4\r\ntext\r\n"
    await shared.end([End(DIGEST, 100.0)])
    assert await shared.load(DIGEST) == Ended()


@pytest.mark.parametrize("time", ["9" * 2000, "-" + "9" * 2000, "1.5", "", "nan"])
async def test_a_time_beyond_all_measure_is_no_session(shared, redis_server, time):
    for field in ("created", "seen", "deadline"):
        await shared.create(DIGEST, RECORD, NEW, 60.0)
        redis_server.command("HSET", KEY, field, time)
        assert await shared.load(DIGEST) == Absent()
        redis_server.command("DEL", KEY)


async def test_a_command_that_fails_for_another_reason_is_no_missing_session(own_redis):
    store = redis_store(own_redis, b"secret", username="vmcp")
    own_redis.command("ACL", "SETUSER", "vmcp", "on", ">secret", "allkeys", "+@all", "-hmget", "-hgetall")
    for ask in (store.load(DIGEST), store.touch([Touch(DIGEST, 0.0)], 60.0), store.stream_of(DIGEST)):
        with pytest.raises(StoreUnavailable):
            await ask
    await store.aclose()


async def test_ends_reach_every_watcher_on_the_channel_of_this_server_only(shared, redis_server):
    heard, subscriptions = [], []
    stranger = OwnStore(
        StorageConfig.model_validate({"provider": "redis", "address": redis_server.address}), "team-b/desk"
    )
    async with asyncio.TaskGroup() as group:
        watching = group.create_task(shared.watch(heard.append, lambda: subscriptions.append(True), list))
        await eventually(lambda: bool(subscriptions))
        await stranger.end([End(OTHER, 1.0)])
        await shared.end([End(DIGEST, 1.0)])
        await eventually(lambda: bool(heard))
        watching.cancel()
    await stranger.aclose()
    assert heard == [DIGEST]


async def test_a_batch_larger_than_one_network_packet_answers_in_order(shared):
    digests = [f"{number:064x}" for number in range(1000)]
    for digest in digests[::2]:
        await shared.create(digest, RECORD, NEW, 60.0)
    answers = await shared.touch([Touch(digest, 0.0) for digest in digests], 60.0)
    assert answers == (Presence.LIVE, Presence.MISSING) * 500


@pytest.mark.parametrize("what", ["watch", "load"])
async def test_a_cancellation_is_never_lost_on_its_way_through_the_redis_client(redis_server, what):
    for steps in range(60):
        store = redis_store(redis_server)
        waiting = store.watch(print, list, list) if what == "watch" else store.load(DIGEST)
        task = asyncio.create_task(waiting)
        for _ in range(steps):
            await asyncio.sleep(0)
        was_done = task.done()
        task.cancel()
        _, running = await asyncio.wait([task], timeout=30.0)
        assert not running, f"still there after a cancellation at step {steps}"
        assert task.cancelled() or was_done
        await store.aclose()


@pytest.mark.parametrize(
    ("text", "addresses"),
    [
        ("redis", (("redis", 6379),)),
        ("redis.db.svc:7000", (("redis.db.svc", 7000),)),
        ("a:1, b , c:65535", (("a", 1), ("b", 6379), ("c", 65535))),
        ("[::1]:7000,[fd00::2]", (("::1", 7000), ("fd00::2", 6379))),
    ],
)
def test_addresses_are_read_with_their_ports(text, addresses):
    assert parse_addresses(text, 6379) == addresses


@pytest.mark.parametrize("text", ["", "a,,b", "a:", ":6379", "a:0", "a:65536", "a:b", "::1", "re dis:1", "[::1"])
def test_an_address_that_says_nothing_is_refused_with_the_form(text):
    with pytest.raises(BadAddressError, match=re.escape("write host:port")):
        build_service(StorageConfig.model_validate({"provider": "redis", "address": text}))


def test_memory_is_the_default_store():
    assert isinstance(build_store(None, SCOPE), MemoryStore)


async def test_a_store_never_shows_its_password():
    storage = StorageConfig.model_validate({"provider": "redis", "address": "127.0.0.1:1"})
    store = OwnStore(storage, password=b"canary-password\n")
    assert isinstance(store, RedisStore)
    with pytest.raises(StoreUnavailable) as caught:
        await store.load(SessionDigest("1", DIGEST).hex)
    assert "canary" not in f"{store!r} {store.state} {store.state.message} {caught.value!r}"
    assert caught.value.__suppress_context__
    await store.aclose()
