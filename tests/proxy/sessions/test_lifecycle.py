"""One pod: sessions are opened, found by their owner only, capped and ended, with either store."""

import asyncio

import pytest

from tests.proxy.sessions.pods import (
    ALICE,
    BOB,
    CAPABILITIES,
    HEADERS,
    OTHER_HEADERS,
    Pod,
    eventually,
    redis_store,
)
from tests.support import heap
from vmcp_api.spec.sessions import SessionManagement
from vmcp_proxy.auth.identity import ANONYMOUS, ANONYMOUS_WITH_AUTHORIZATION, Identity
from vmcp_proxy.headerforward import EMPTY_SNAPSHOT, HeaderSnapshot
from vmcp_proxy.sessions import (
    EndReason,
    Keyring,
    Missing,
    MissingReason,
    RefusalReason,
    Refused,
    StoreUnavailable,
)
from vmcp_proxy.sessions.store.memory import MemoryStore


@pytest.fixture(params=["memory", "redis"])
async def pod(request, redis_server):
    made = MemoryStore() if request.param == "memory" else redis_store(redis_server)
    async with Pod(made) as pod:
        yield pod


@pytest.mark.scenario("S-1")
async def test_a_session_lives_from_create_to_end(pod):
    session_id, session = await pod.open()
    assert session.snapshot == HEADERS
    assert session.client_capabilities == CAPABILITIES
    assert session.protocol_version == "2025-11-25"
    assert await pod.use(session_id) is session
    assert await pod.sessions.end(session_id, ALICE) is None
    assert await pod.use(session_id) in {MissingReason.ENDED, MissingReason.UNKNOWN}
    assert pod.ends == [(session.ref, EndReason.DELETED)]


@pytest.mark.scenario("S-1")
async def test_a_second_end_is_harmless(pod):
    session_id, _ = await pod.open()
    assert await pod.sessions.end(session_id, ALICE) is None
    assert await pod.sessions.end(session_id, ALICE) is not None
    assert len(pod.ends) == 1


@pytest.mark.scenario("S-3")
async def test_a_thief_gets_nothing_and_the_owner_goes_on(pod):
    session_id, session = await pod.open()
    seen = session.last_seen
    assert await pod.use(session_id, BOB) is MissingReason.FOREIGN
    assert await pod.sessions.end(session_id, BOB) == Missing(MissingReason.FOREIGN)
    assert session.last_seen == seen
    assert await pod.use(session_id, ALICE) is session
    assert pod.ends == []


@pytest.mark.scenario("S-4")
async def test_an_anonymous_session_does_not_survive_a_change_of_authorization(pod):
    without_id, without = await pod.open(ANONYMOUS)
    with_id, with_authorization = await pod.open(ANONYMOUS_WITH_AUTHORIZATION)
    assert await pod.use(without_id, ANONYMOUS_WITH_AUTHORIZATION) is MissingReason.FOREIGN
    assert await pod.use(with_id, ANONYMOUS) is MissingReason.FOREIGN
    assert await pod.use(without_id, ANONYMOUS) is without
    assert await pod.use(with_id, ANONYMOUS_WITH_AUTHORIZATION) is with_authorization


@pytest.mark.scenario("S-4")
async def test_a_refreshed_token_of_the_same_caller_continues(pod):
    session_id, session = await pod.open(Identity("i", "s", has_authorization=True, claims={"exp": 1}))
    refreshed = Identity("i", "s", has_authorization=True, claims={"exp": 2})
    assert pod.sessions.peek(session_id, refreshed) is session
    assert await pod.use(session_id, Identity("i", "s")) is session


async def test_a_session_keeps_none_of_its_owners_claims(pod):
    _, session = await pod.open(Identity("i", "s", claims={"email": "canary@example.com"}))
    assert dict(session.owner.claims) == {}


@pytest.mark.scenario("H-2")
async def test_the_headers_of_later_requests_are_not_looked_at(pod):
    session_id, session = await pod.open()
    assert await pod.use(session_id, snapshot=OTHER_HEADERS) is session
    assert session.snapshot == HEADERS


@pytest.mark.scenario("H-6")
async def test_the_headers_are_at_hand_for_the_hook_and_gone_after_it(pod):
    session_id, session = await pod.open()
    assert pod.sessions.snapshots == pod.sessions.live == 1
    await pod.sessions.end(session_id, ALICE)
    assert pod.end_snapshots == [HEADERS]
    assert session.snapshot == EMPTY_SNAPSHOT
    assert pod.sessions.snapshots == pod.sessions.live == 0


@pytest.mark.scenario("S-9")
async def test_the_cap_of_the_pod_refuses_and_harms_nobody(pod):
    pod.sessions.configure(settings(max_sessions_per_pod=3))
    opened = [await pod.open(identity) for identity in (ALICE, ALICE, BOB)]
    assert await create(pod) == Refused(RefusalReason.CAPPED)
    owners = (ALICE, ALICE, BOB)
    assert [await pod.use(i, who) for (i, _), who in zip(opened, owners, strict=True)] == [s for _, s in opened]
    await pod.sessions.end(opened[0][0], ALICE)
    await pod.open()


@pytest.mark.scenario("S-9")
async def test_the_cap_of_an_identity_refuses_this_one_only(pod):
    pod.sessions.configure(settings(max_sessions_per_identity=2))
    first, _ = await pod.open()
    await pod.open()
    assert await create(pod) == Refused(RefusalReason.IDENTITY_CAPPED)
    await pod.open(BOB)
    await pod.sessions.end(first, ALICE)
    await pod.open()


async def test_sessions_that_are_being_opened_count_toward_the_caps(pod):
    pod.sessions.configure(settings(max_sessions_per_pod=5))
    results = await asyncio.gather(*(create(pod) for _ in range(20)))
    assert sum(isinstance(result, Refused) for result in results) == 15
    assert pod.sessions.live == 5


async def test_backend_tokens_are_remembered_sealed_and_the_last_one_counts(pod):
    _, session = await pod.open()
    await pod.sessions.shared.remember_backend(session, "github", b"token-1")
    await pod.sessions.shared.remember_backend(session, "gitlab", b"token-2")
    await pod.sessions.shared.remember_backend(session, "github", b"token-3")
    assert session.backend_tokens == {"github": b"token-3", "gitlab": b"token-2"}
    record = (await pod.store.load(session.digest.hex)).record
    assert [name for name, _ in record.backends] == ["github", "gitlab"]
    assert not any(b"token-" in sealed for _, sealed in record.backends)


async def test_callbacks_run_once_when_the_session_is_over(pod):
    session_id, session = await pod.open()
    calls = []
    session.on_end(lambda: calls.append("stream"))
    take_back = session.on_end(lambda: calls.append("closed stream"))
    take_back()
    take_back()
    await pod.sessions.end(session_id, ALICE)
    session.close(EndReason.EXPIRED)
    assert calls == ["stream"]
    assert session.ended is EndReason.DELETED
    session.on_end(lambda: calls.append("late"))
    assert calls == ["stream", "late"]


@pytest.mark.parametrize("change", ["removed", "replaced"])
async def test_sessions_whose_key_is_gone_end_and_others_go_on(pod, change):
    session_id, session = await pod.open()
    more = {"1": bytes(range(32)), "2": b"n" * 32}
    pod.sessions.rotate(Keyring.of(more))
    new_id, new = await pod.open()
    assert new_id.startswith("v1.2.")
    assert await pod.use(session_id) is session
    pod.sessions.rotate(Keyring.of({"2": b"n" * 32} | ({"1": b"x" * 32} if change == "replaced" else {})))
    assert await pod.use(session_id) is MissingReason.FORGED
    assert await pod.use(new_id) is new
    assert await pod.end_of(session) is EndReason.EXPIRED
    await pod.sessions.shared.remember_backend(session, "github", b"too late")


@pytest.mark.scenario("H-6")
async def test_shutdown_ends_memory_sessions_and_hands_over_shared_ones(pod):
    session_id, session = await pod.open()
    shared = pod.store.is_shared
    await pod.crash()
    await pod.sessions.aclose()
    assert pod.ends == [(session.ref, EndReason.MOVED if shared else EndReason.SHUTDOWN)]
    assert pod.sessions.snapshots == pod.sessions.live == 0
    assert session.snapshot == EMPTY_SNAPSHOT
    assert await pod.use(session_id) is MissingReason.CLOSED
    assert await create(pod) == Refused(RefusalReason.CLOSED)


@pytest.mark.scenario("S-1")
def test_only_an_end_for_good_deletes_backend_sessions():
    deleting = {reason for reason in EndReason if reason.deletes_backend_sessions}
    assert deleting == set(EndReason) - {EndReason.MOVED, EndReason.EVICTED}


async def test_nothing_that_is_printed_opens_a_session(pod):
    session_id, session = await pod.open()
    created = await create(pod)
    shown = f"{session!r} {created!r} {session.digest!r} {pod.sessions._cache!r} {pod.store!r}"
    for secret in (session_id, created.session_id, session.digest.hex, "canary", "alice"):
        assert secret not in shown
    assert session.ref in shown


class GatedStore(MemoryStore):
    """Writes records, but answers when it is told to, or fails."""

    def __init__(self):
        super().__init__()
        self.gate = asyncio.Event()
        self.entered = asyncio.Event()
        self.failure = None

    async def create(self, digest, record, times, ttl):
        answer = await super().create(digest, record, times, ttl)
        self.entered.set()
        await self.gate.wait()
        if self.failure is not None:
            raise self.failure
        return answer


@pytest.mark.scenario("H-6")
async def test_a_cancelled_registration_leaves_nothing_anywhere():
    store = GatedStore()
    async with Pod(store, ttl=0.3) as pod:
        opening = asyncio.create_task(create(pod))
        await store.entered.wait()
        assert len(store) == snapshots_in_memory() == 1
        opening.cancel()
        await asyncio.wait([opening])
        assert opening.cancelled()
        await eventually(lambda: len(store) == 0)
        assert pod.sessions.snapshots == pod.sessions.live == 0
        del opening
        assert snapshots_in_memory() == 0


@pytest.mark.scenario("H-6")
@pytest.mark.parametrize("kind", [StoreUnavailable, RuntimeError])
async def test_a_failed_registration_leaves_nothing_anywhere(kind):
    store = GatedStore()
    store.failure = kind("bug")
    store.gate.set()
    async with Pod(store, ttl=0.3) as pod:
        if kind is StoreUnavailable:
            assert await create(pod) == Refused(RefusalReason.UNAVAILABLE)
        else:
            with pytest.raises(RuntimeError, match="bug"):
                await create(pod)
        await eventually(lambda: len(store) == 0)
        assert pod.sessions.snapshots == pod.sessions.live == 0
        store.failure = None
        assert snapshots_in_memory() == 0
        pod.sessions.configure(settings(max_sessions_per_pod=1))
        await pod.open()


async def test_a_registration_whose_key_is_taken_away_meanwhile_is_refused():
    store = GatedStore()
    async with Pod(store) as pod:
        opening = asyncio.create_task(create(pod))
        await store.entered.wait()
        pod.sessions.rotate(Keyring.of({"2": b"n" * 32}))
        store.gate.set()
        assert await opening == Refused(RefusalReason.UNAVAILABLE)
        assert pod.sessions.live == pod.sessions.snapshots == 0


async def test_a_registration_that_shutdown_overtakes_is_refused():
    store = GatedStore()
    pod = Pod(store)
    opening = asyncio.create_task(create(pod))
    await store.entered.wait()
    closing = asyncio.create_task(pod.sessions.aclose())
    await closing
    store.gate.set()
    assert await opening == Refused(RefusalReason.CLOSED)
    assert pod.sessions.snapshots == 0


async def test_a_hook_that_fails_costs_no_other_session_its_end(caplog):
    pod = Pod(MemoryStore())
    noted = pod._note_end
    # Not written into the raising line, which the log may show.
    canary = "canary-in-an-error"

    async def failing(session, reason):
        await noted(session, reason)
        if session is first:
            raise ValueError(canary)

    pod.sessions._retirements._on_end = failing
    async with pod:
        first_id, first = await pod.open()
        second_id, second = await pod.open()
        assert await pod.sessions.end(first_id, ALICE) is None
        assert await pod.sessions.end(second_id, ALICE) is None
        assert [ref for ref, _ in pod.ends] == [first.ref, second.ref]
        assert pod.sessions.snapshots == 0
    (logged,) = [each for each in caplog.records if each.name == "vmcp.sessions"]
    assert logged.getMessage() == "end of a session failed"
    assert logged.vmcp_fields["session"] == first.ref
    assert logged.vmcp_fields["error"].endswith("\nValueError")
    assert canary not in str(vars(logged))


async def test_the_hook_of_an_end_that_shutdown_cuts_off_runs_again():
    pod = Pod(MemoryStore())
    started, calls = asyncio.Event(), []

    async def hanging(session, reason):
        calls.append(reason)
        started.set()
        if len(calls) == 1:
            await asyncio.Event().wait()

    pod.sessions._retirements._on_end = hanging
    async with pod:
        session_id, session = await pod.open()
        ending = asyncio.create_task(pod.sessions.end(session_id, ALICE))
        await started.wait()
        assert pod.sessions.live == 0
        assert pod.sessions.snapshots == 1
        await pod.crash()
        await pod.sessions.aclose()
        assert await ending is None
    assert calls == [EndReason.DELETED, EndReason.DELETED]
    assert session.snapshot == EMPTY_SNAPSHOT


def settings(**values):
    return SessionManagement.model_validate(values)


async def create(pod):
    return await pod.sessions.create(
        ALICE,
        protocol_version="2025-11-25",
        client_capabilities=b"{}",
        client_info=b"{}",
        snapshot=HeaderSnapshot([("X-Api-Key", b"made for this session")]),
    )


def snapshots_in_memory():
    return sum(
        isinstance(thing, HeaderSnapshot) and thing.items() == (("X-Api-Key", b"made for this session"),)
        for thing in heap.objects()
    )
