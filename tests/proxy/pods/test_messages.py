"""Messages between pods: who gets them, in which order, and what becomes of those that are not in order."""

import asyncio
import contextlib
import logging
import time

import pytest

from tests.proxy.sessions.messaging import DIGEST, KIND, Talker, anything
from tests.proxy.sessions.pods import KEYS, SCOPE, eventually, redis_store
from tests.support.redis_server import Monitor, RedisServer
from vmcp_proxy.pods import messages
from vmcp_proxy.pods.envelope import MOST_BODY_BYTES, PodMessage, seal_message
from vmcp_proxy.pods.name import EVERYONE, new_pod_name
from vmcp_proxy.sessions import Keyring
from vmcp_proxy.sessions.store.memory import MemoryStore

OTHER = "cd" * 32
CHANNEL = f"vmcp:session:{SCOPE}:pod:"


@contextlib.asynccontextmanager
async def two(server: RedisServer, **of_b):
    async with Talker(redis_store(server)) as a, Talker(redis_store(server), **of_b) as b:
        await a.reach(b)
        await b.reach(a)
        yield a, b


async def test_a_message_reaches_the_pod_that_it_is_for_and_no_other(redis_server):
    async with two(redis_server) as (a, b), Talker(redis_store(redis_server)) as c:
        await a.reach(c)
        assert await a.tell(b, b"\x00\xff one")
        assert await b.tell(a, b"two", OTHER)
        await eventually(lambda: b.heard and a.heard)
        assert (a.heard, b.heard, c.heard) == ([(OTHER, b"two")], [(DIGEST, b"\x00\xff one")], [])


async def test_a_message_to_the_own_pod_needs_no_redis(own_redis):
    own_redis.stop()
    for store in (MemoryStore(), redis_store(own_redis)):
        async with Talker(store) as alone:
            assert await alone.tell(alone, b"me")
            assert not await alone.tell(alone, b"me", kind="unheard of")
            await eventually(lambda heard=alone.heard: heard == [(DIGEST, b"me")])
            assert not await alone.messages.send(new_pod_name(), KIND, DIGEST, b"nobody")


@pytest.fixture
def at_once(monkeypatch):
    """Nobody could wait until a pod is given up: a test that did would not end."""
    monkeypatch.setattr(messages, "_ANSWER_SECONDS", 3600.0)


async def test_nobody_there_is_said_at_once(redis_server, at_once):
    async with two(redis_server) as (a, b):
        await b.stop()
        await eventually(lambda: redis_server.command("PUBSUB", "NUMSUB", CHANNEL + b.pod).endswith(b":0\r\n"))
        assert not await a.tell(b, b"late")
        assert not await a.messages.send(new_pod_name(), KIND, DIGEST, b"nobody")
        assert not await a.messages.send("*", KIND, DIGEST, b"everybody")
        assert not await a.messages.send("", KIND, DIGEST, b"nobody")


async def test_a_kind_that_nobody_handles_is_refused_at_once(redis_server, at_once):
    async with two(redis_server) as (a, b):
        assert not await a.tell(b, b"x", kind="unheard of")
        assert await a.tell(b, b"y")
        await eventually(lambda: b.heard == [(DIGEST, b"y")])


async def test_a_message_about_a_session_that_the_pod_does_not_know_is_refused(redis_server):
    async with two(redis_server) as (a, b):
        b.messages.on("picky", b.note, lambda digest: digest == OTHER)
        assert not await a.tell(b, b"x", DIGEST, kind="picky")
        assert await a.tell(b, b"y", OTHER, kind="picky")
        await eventually(lambda: b.heard == [(OTHER, b"y")])


async def test_what_all_are_told_reaches_every_other_pod_once(redis_server):
    async with two(redis_server) as (a, b), Talker(redis_store(redis_server)) as c:
        await a.reach(c)
        await a.messages.tell_all(KIND, DIGEST, b"all")
        await eventually(lambda: b.heard and c.heard)
        assert await a.tell(b, b"after")
        assert (a.heard, b.heard[0], c.heard) == ([], (DIGEST, b"all"), [(DIGEST, b"all")])
        await eventually(lambda: b.heard == [(DIGEST, b"all"), (DIGEST, b"after")])
        assert a.messages.dropped == {}
        await a.messages.tell_all(KIND, DIGEST, bytes(MOST_BODY_BYTES + 1))
        assert await a.tell(c, b"after")
        await eventually(lambda: c.heard == [(DIGEST, b"all"), (DIGEST, b"after")])


async def test_what_is_for_one_pod_is_not_taken_from_where_all_are_told(redis_server):
    async with two(redis_server) as (a, b):
        _, sealed = seal_message(KEYS, KEYS.signing_kid, b.pod, PodMessage(time.time(), a.pod, KIND, DIGEST, b"x"))
        assert await a.store.publish(EVERYONE, sealed)
        await eventually(lambda: b.messages.dropped["unreadable"] == 1)
        assert b.heard == []


async def test_telling_all_without_a_store_or_with_one_that_is_away_is_no_error(own_redis):
    async with Talker(MemoryStore()) as alone, Talker(redis_store(own_redis)) as apart:
        own_redis.stop()
        await alone.messages.tell_all(KIND, DIGEST, b"x")
        await apart.messages.tell_all(KIND, DIGEST, b"x")
        assert (alone.heard, apart.heard) == ([], [])


def test_a_kind_has_one_handler_and_a_name():
    talker = Talker(MemoryStore())
    for kind in (KIND, ""):
        with pytest.raises(ValueError, match="is taken"):
            talker.messages.on(kind, talker.note, anything)


async def test_one_mebibyte_is_the_most(redis_server):
    async with two(redis_server) as (a, b):
        assert not await a.tell(b, bytes(MOST_BODY_BYTES + 1))
        assert not await a.tell(a, bytes(MOST_BODY_BYTES + 1))
        assert await a.tell(b, bytes(MOST_BODY_BYTES))
        await eventually(lambda: b.heard == [(DIGEST, bytes(MOST_BODY_BYTES))])


async def test_messages_of_one_session_stay_in_order_whoever_waits(redis_server):
    async with two(redis_server) as (a, b):
        sent = [str(number).encode() for number in range(200)]
        assert all(await asyncio.gather(*(a.tell(b, body) for body in sent)))
        await eventually(lambda: len(b.heard) == 200)
        assert [body for _, body in b.heard] == sent


async def test_a_slow_handler_holds_up_its_own_session_only(redis_server):
    async with two(redis_server) as (a, b):
        release = asyncio.Event()

        async def slow(digest, body):
            if body == b"wait":
                await release.wait()
            await b.note(digest, body)

        b.messages.on("slow", slow, anything)
        assert await a.tell(b, b"wait", kind="slow")
        assert await a.tell(b, b"behind", kind="slow")
        assert await a.tell(b, b"aside", OTHER, kind="slow")
        await eventually(lambda: b.heard == [(OTHER, b"aside")])
        release.set()
        await eventually(lambda: b.heard[1:] == [(DIGEST, b"wait"), (DIGEST, b"behind")])
        await eventually(lambda: not b.messages._lanes._lanes)


async def test_no_more_than_64_handlers_run_at_a_time():
    async with Talker(MemoryStore()) as alone:
        release, running, done = asyncio.Event(), set(), set()

        async def stuck(digest, _body):
            running.add(digest)
            await release.wait()
            done.add(digest)

        alone.messages.on("stuck", stuck, anything)
        for number in range(100):
            assert await alone.messages.send(alone.pod, "stuck", f"{number:064x}", b"")
        await eventually(lambda: len(running) == 64)
        for _ in range(20):
            await asyncio.sleep(0)
        assert (len(running), len(done)) == (64, 0)
        release.set()
        await eventually(lambda: len(done) == 100)


async def test_a_handler_that_fails_or_hangs_is_logged_without_its_message(redis_server, caplog, monkeypatch):
    monkeypatch.setattr("vmcp_proxy.pods.messages._HANDLER_SECONDS", 0.05)
    async with two(redis_server) as (a, b):

        async def bad(_digest, body):
            if body == b"canary-hang":
                await asyncio.Event().wait()
            raise RuntimeError(body)

        b.messages.on("bad", bad, anything)
        with caplog.at_level(logging.DEBUG, "vmcp"):
            for body in (b"canary-hang", b"canary-fail"):
                assert await a.tell(b, body, kind="bad")
            assert await a.tell(b, b"fine")
            await eventually(lambda: b.heard == [(DIGEST, b"fine")])
    logged = [record for record in caplog.records if record.name == "vmcp.sessions"]
    assert [record.getMessage() for record in logged] == ["message of a pod failed"] * 2
    for record, error in zip(logged, ("TimeoutError", "RuntimeError"), strict=True):
        fields = record.vmcp_fields
        assert (fields["kind"], fields["session"]) == ("bad", DIGEST[:8])
        assert error in fields["error"].splitlines()
        assert "canary" not in str(vars(record))


async def test_a_session_that_gets_too_many_is_refused_and_the_others_are_not(redis_server):
    async with two(redis_server) as (a, b):
        release = asyncio.Event()

        async def stuck(_digest, _body):
            await release.wait()

        b.messages.on("stuck", stuck, anything)
        told = [await a.tell(b, b"", kind="stuck") for _ in range(300)]
        assert told == [True] * 256 + [False] * 44
        assert await a.tell(b, b"", OTHER, kind="stuck")
        release.set()
        await eventually(lambda: len(b.messages._lanes) == b.messages._lanes._bytes == 0)
        assert await a.tell(b, b"again")


async def test_memory_for_waiting_messages_is_bounded(redis_server):
    async with two(redis_server) as (a, b):
        release = asyncio.Event()

        async def stuck(_digest, _body):
            await release.wait()

        b.messages.on("stuck", stuck, anything)
        told = [await a.tell(b, bytes(MOST_BODY_BYTES), f"{number:064x}", kind="stuck") for number in range(70)]
        assert 60 <= sum(told) < 64
        release.set()
        await eventually(lambda: b.messages._lanes._bytes == 0)


async def test_a_message_that_comes_again_is_taken_once(redis_server):
    async with two(redis_server) as (a, b):
        message = PodMessage(time.time(), a.pod, KIND, DIGEST, b"once")
        _, sealed = seal_message(KEYS, "1", b.pod, message)
        for _ in range(3):
            assert redis_server.command("PUBLISH", CHANNEL + b.pod, sealed) == b":1\r\n"
        await eventually(lambda: b.messages.dropped["replayed"] == 2)
        assert b.heard == [(DIGEST, b"once")]


@pytest.mark.parametrize("seconds", [-31.0, 31.0, -1e9, 1e9, float("nan"), float("inf")])
async def test_a_message_of_another_time_is_not_taken(redis_server, seconds):
    async with two(redis_server) as (a, b):
        message = PodMessage(time.time() + seconds, a.pod, KIND, DIGEST, b"stale")
        _, sealed = seal_message(KEYS, "1", b.pod, message)
        assert redis_server.command("PUBLISH", CHANNEL + b.pod, sealed) == b":1\r\n"
        await eventually(lambda: b.messages.dropped["stale"] == 1)
        assert b.heard == []


async def test_clocks_may_differ_by_less_than_half_a_minute(redis_server):
    async with two(redis_server, clock=lambda: time.time() + 25.0) as (a, b):
        assert await a.tell(b, b"x")
        assert await b.tell(a, b"y")
        await eventually(lambda: a.heard and b.heard)


async def test_bytes_that_are_not_for_this_pod_are_dropped(redis_server):
    async with two(redis_server) as (a, b):
        message = PodMessage(time.time(), a.pod, KIND, DIGEST, b"forged")
        _, for_a = seal_message(KEYS, "1", a.pod, message)
        _, under_another_key = seal_message(Keyring.of({"1": bytes(32)}), "1", b.pod, message)
        _, under_no_key = seal_message(Keyring.of({"9": bytes(32)}), "9", b.pod, message)
        _, good = seal_message(KEYS, "1", b.pod, message)
        changed = good[:-1] + bytes((good[-1] ^ 1,))
        _, of_another_form = seal_message(KEYS, "1", b.pod, (1, 2, 3))
        junk = [b"", b"\x00", b"\xff", b"\x01", b"\x011", b"\x01\xff" + good[2:], good[:20], good + bytes(2 << 20)]
        bad = [for_a, under_another_key, under_no_key, changed, of_another_form, *junk]
        for raw in bad:
            redis_server.command("PUBLISH", CHANNEL + b.pod, raw)
        await eventually(lambda: b.messages.dropped["unreadable"] == len(bad))
        assert await a.tell(b, b"still here")
        await eventually(lambda: b.heard == [(DIGEST, b"still here")])


async def test_keys_rotate_without_a_lost_message(redis_server):
    one, both, two_only = {"1": bytes(range(32))}, {"1": bytes(range(32)), "2": bytes(32)}, {"2": bytes(32)}
    async with two(redis_server) as (a, b):
        for of_a, of_b in ((one, both), (both, both), (two_only, both), (two_only, two_only)):
            a.ids.keyring, b.ids.keyring = Keyring.of(of_a), Keyring.of(of_b)
            assert await a.tell(b, b"x"), (of_a, of_b)
        # B signs with a key that A has not got yet: it is not taken, and nobody believes that it was.
        a.ids.keyring, b.ids.keyring = Keyring.of(one), Keyring.of(both)
        assert not await b.tell(a, b"x")
        assert a.heard == []


async def test_a_pod_that_hangs_costs_two_seconds(redis_server):
    async with two(redis_server) as (a, b):
        await b.stop()
        async with subscriber(redis_server, CHANNEL + b.pod):
            started = time.monotonic()
            assert not await a.tell(b, b"x")
        assert time.monotonic() - started > 1.9


@contextlib.asynccontextmanager
async def subscriber(server, channel):
    """Something that subscribes and never answers."""
    reader, writer = await asyncio.open_connection(server.host, server.port)
    writer.write(b"SUBSCRIBE " + channel.encode() + b"\r\n")
    await reader.readuntil(b":1\r\n")
    yield
    writer.close()
    await writer.wait_closed()


@pytest.mark.scenario("S-7")
async def test_messages_pass_again_after_redis_was_away(own_redis):
    async with two(own_redis) as (a, b):
        own_redis.stop()
        assert not await a.tell(b, b"lost")
        own_redis.start()
        await a.reach(b)
        await b.reach(a)
        assert await a.tell(b, b"back")
        await eventually(lambda: b.heard == [(DIGEST, b"back")])


@pytest.mark.scenario("S-7")
async def test_a_redis_that_hangs_makes_no_sender_wait_for_long(own_redis):
    async with two(own_redis) as (a, b):
        own_redis.freeze()
        started = time.monotonic()
        assert await asyncio.gather(*(a.tell(b, b"%d" % number) for number in range(20))) == [False] * 20
        # One after another they would take 40 s.
        assert time.monotonic() - started < 20
        own_redis.thaw()


@pytest.mark.scenario("S-7")
async def test_a_lost_subscription_comes_back(own_redis):
    async with two(own_redis) as (a, b):
        assert own_redis.command("CLIENT", "KILL", "TYPE", "pubsub") == b":2\r\n"
        await a.reach(b)
        await b.reach(a)


@pytest.mark.scenario("S-8")
async def test_redis_hears_nothing_of_a_message(redis_server):
    async with two(redis_server) as (a, b), Monitor(redis_server) as monitor:
        assert await a.tell(b, b"canary-body", "canary-digest")
        assert await b.tell(a, b"canary-body" * 1000, "canary-digest")
        traffic = b"".join(await monitor.lines())
    assert traffic.count(b'"EVALSHA"') == 4
    assert b"canary" not in traffic
    assert KIND.encode() not in traffic
