"""What other pods know of a session: its log level, where its GET stream is, its backends' tokens."""

import asyncio

import pytest

from tests.proxy.sessions.pods import ALICE, Pod, eventually, redis_store
from vmcp_proxy.pods.name import new_pod_name
from vmcp_proxy.sessions import Session
from vmcp_proxy.sessions.store.memory import MemoryStore

A, B = new_pod_name(), new_pod_name()


@pytest.fixture
async def pods(redis_server):
    async with Pod(redis_store(redis_server)) as a, Pod(redis_store(redis_server)) as b:
        yield a, b


@pytest.fixture(params=["memory", "redis"])
async def pod(request, redis_server):
    store = MemoryStore() if request.param == "memory" else redis_store(redis_server)
    async with Pod(store) as made:
        yield made


@pytest.mark.scenario("S-5")
async def test_the_log_level_comes_along_to_another_pod(pods):
    a, b = pods
    session_id, on_a = await a.open()
    assert on_a.log_level is None
    await a.sessions.shared.remember_level(on_a, "debug")
    on_b = await b.use(session_id)
    assert on_b.log_level == "debug"
    await b.sessions.shared.remember_level(on_b, "error")
    assert on_a.log_level == "debug"
    await a.sessions.shared.refresh(on_a)
    assert on_a.log_level == "error"


async def test_a_session_without_a_level_is_restored_without_one(pods):
    a, b = pods
    session_id, _ = await a.open()
    on_b = await b.use(session_id)
    assert (on_b.log_level, on_b.stream) == (None, None)


async def test_the_stream_is_where_it_was_opened_last(pod):
    _, session = await pod.open()
    assert await pod.sessions.shared.stream_pod(session) is None
    await pod.sessions.shared.take_stream(session, A)
    assert await pod.sessions.shared.stream_pod(session) == A
    await pod.sessions.shared.take_stream(session, B)
    assert await pod.sessions.shared.stream_pod(session) == B
    await pod.sessions.shared.leave_stream(session, B)
    assert await pod.sessions.shared.stream_pod(session) is None
    await pod.sessions.shared.leave_stream(session, B)
    assert await pod.sessions.shared.stream_pod(session) is None


async def test_a_stream_that_closes_late_does_not_hide_the_one_that_took_its_place(pods):
    a, b = pods
    session_id, on_a = await a.open()
    on_b = await b.use(session_id)
    await a.sessions.shared.take_stream(on_a, A)
    await b.sessions.shared.take_stream(on_b, B)
    await a.sessions.shared.leave_stream(on_a, A)
    for each, session in ((a, on_a), (b, on_b)):
        assert await each.sessions.shared.stream_pod(session) == B
    await b.sessions.shared.leave_stream(on_b, B)
    assert await a.sessions.shared.stream_pod(on_a) is None


async def test_who_takes_the_stream_learns_who_had_it_and_who_claims_it_takes_it_from_nobody(pod):
    _, session = await pod.open()
    shared = pod.sessions.shared
    assert await shared.claim_stream(session, A)
    assert await shared.claim_stream(session, A)
    assert await shared.take_stream(session, B) == A
    assert not await shared.claim_stream(session, A)
    assert await shared.stream_pod(session) == B
    await shared.disown_stream(session, A)
    assert await shared.stream_pod(session) == B
    await shared.disown_stream(session, B)
    assert await shared.claim_stream(session, A)
    assert not session.is_unsaved


class Slow(MemoryStore):
    """Takes its time for what a test names, after the reading or before the writing, as a network does."""

    def __init__(self, slow):
        super().__init__()
        self.slow = slow
        self.reached = asyncio.Event()
        self.release = asyncio.Event()

    async def wait(self, name):
        if name == self.slow:
            self.reached.set()
            await self.release.wait()

    async def load(self, digest):
        found = await super().load(digest)
        await self.wait("load")
        return found

    async def take_stream(self, digest, pod):
        await self.wait("take_stream")
        return await super().take_stream(digest, pod)


async def overlap(store, first, second):
    """Begin the one, then the other, and let both end."""
    one = asyncio.create_task(first)
    await asyncio.wait_for(store.reached.wait(), 30.0)
    two = asyncio.create_task(second)
    for _ in range(10):
        await asyncio.sleep(0)
    store.release.set()
    await asyncio.wait_for(asyncio.gather(one, two), 30.0)


async def test_a_stream_that_opens_and_closes_at_once_leaves_no_name():
    async with Pod(store := Slow("take_stream")) as pod:
        _, session = await pod.open()
        sessions = pod.sessions
        await overlap(store, sessions.shared.take_stream(session, A), sessions.shared.leave_stream(session, A))
        assert await sessions.shared.stream_pod(session) is None
        assert not session.is_unsaved


async def test_the_stream_of_an_ended_session_is_with_nobody(pod):
    session_id, session = await pod.open()
    await pod.sessions.shared.take_stream(session, A)
    assert await pod.sessions.end(session_id, ALICE) is None
    assert await pod.sessions.shared.stream_pod(session) is None
    await pod.sessions.shared.take_stream(session, A)
    await pod.sessions.shared.remember_level(session, "debug")
    assert await pod.sessions.shared.stream_pod(session) is None


@pytest.mark.scenario("S-7")
async def test_what_cannot_be_written_is_kept_and_written_later(own_redis):
    async with Pod(redis_store(own_redis), ttl=2.0) as a, Pod(redis_store(own_redis), ttl=2.0) as b:
        session_id, session = await a.open()
        own_redis.stop()
        await a.sessions.shared.remember_level(session, "debug")
        await a.sessions.shared.take_stream(session, A)
        await a.sessions.shared.refresh(session)
        assert session.log_level == "debug"
        assert await a.sessions.shared.stream_pod(session) == A
        own_redis.start()
        assert await a.use(session_id) is session
        await eventually(lambda: not session.is_unsaved)
        await eventually(lambda: b.store.state.available)
        on_b = await b.use(session_id)
        assert on_b.log_level == "debug"
        assert await b.sessions.shared.stream_pod(on_b) == A


@pytest.mark.scenario("S-7")
async def test_a_stream_that_closed_while_redis_was_away_is_cleared_later(own_redis):
    async with Pod(redis_store(own_redis), ttl=10.0) as pod:
        _, session = await pod.open()
        await pod.sessions.shared.take_stream(session, A)
        own_redis.freeze()
        await pod.sessions.shared.leave_stream(session, A)
        assert await pod.sessions.shared.stream_pod(session) is None
        assert session.streams_unsaved == {A}
        own_redis.thaw()
        await eventually(lambda: not session.is_unsaved)
        assert await pod.store.stream_of(session.digest.hex) is None


@pytest.mark.scenario("S-7")
async def test_the_stream_is_named_again_after_data_loss(own_redis):
    async with Pod(redis_store(own_redis)) as a, Pod(redis_store(own_redis)) as b:
        session_id, on_a = await a.open()
        on_b = await b.use(session_id)
        await a.sessions.shared.take_stream(on_a, A)
        await a.crash()
        own_redis.stop()
        own_redis.start()
        await b.subscribed(2)
        # B is the one that sets the session again, and does not know of the stream.
        assert await b.use(session_id) is on_b
        assert await b.sessions.shared.stream_pod(on_b) is None
        a.start()
        await a.subscribed(2)
        await eventually(lambda: not on_a.is_unsaved)
        assert await b.sessions.shared.stream_pod(on_b) == A


async def test_tokens_of_backends_that_another_pod_opened_become_known(pods):
    a, b = pods
    session_id, on_a = await a.open()
    await a.sessions.shared.remember_backend(on_a, "github", b"first")
    await a.sessions.shared.remember_backend(on_a, "slack", b"mine")
    on_b = await b.use(session_id)
    await b.sessions.shared.remember_backend(on_b, "github", b"second")
    await b.sessions.shared.remember_backend(on_b, "jira", b"third")
    assert on_a.backend_tokens == {"github": b"first", "slack": b"mine"}
    await a.sessions.shared.refresh(on_a)
    assert on_a.backend_tokens == {"github": b"second", "slack": b"mine", "jira": b"third"}


async def test_a_token_that_is_being_written_is_not_taken_back():
    async with Pod(store := Slow("load")) as pod:
        _, session = await pod.open()
        sessions = pod.sessions
        await sessions.shared.remember_backend(session, "github", b"old")
        await overlap(
            store, sessions.shared.refresh(session), sessions.shared.remember_backend(session, "github", b"new")
        )
        assert session.backend_tokens == {"github": b"new"}
        await sessions.shared.refresh(session)
        assert session.backend_tokens == {"github": b"new"}


async def test_known_backends_of_an_ended_session_change_nothing(pods):
    a, b = pods
    session_id, on_a = await a.open()
    await a.sessions.shared.remember_backend(on_a, "github", b"token")
    assert isinstance(await b.use(session_id), Session)
    assert await b.sessions.end(session_id, ALICE) is None
    await a.sessions.shared.refresh(on_a)
    assert on_a.backend_tokens == {"github": b"token"}
