"""However sessions come and go, there are as many header snapshots as sessions."""

from itertools import count

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.proxy.sessions.pods import ALICE, BOB, eventually
from tests.support import heap
from tests.support.examples import examples
from vmcp_api.spec.sessions import SessionManagement
from vmcp_proxy.headerforward import EMPTY_SNAPSHOT, HeaderSnapshot
from vmcp_proxy.sessions import Created, Keyring, SessionIds, SessionManager, StoreUnavailable
from vmcp_proxy.sessions.store.memory import MemoryStore

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("open"), st.sampled_from([ALICE, BOB])),
        st.tuples(st.just("use"), st.integers(0, 5)),
        st.tuples(st.just("steal"), st.integers(0, 5)),
        st.tuples(st.just("end"), st.integers(0, 5)),
        st.tuples(st.just("wait"), st.sampled_from([1.0, 20.0, 45.0, 100.0])),
        st.tuples(st.just("store"), st.booleans()),
        st.tuples(st.just("cap"), st.integers(1, 4)),
        st.tuples(st.just("doubt"), st.none()),
        st.tuples(st.just("elsewhere"), st.integers(0, 5)),
    ),
    max_size=30,
)


class Flapping(MemoryStore):
    """A shared store that is away at times; its clock is the test's."""

    def __init__(self, clock):
        super().__init__(clock)
        self.is_there = True

    is_shared = True

    def check(self):
        if not self.is_there:
            raise StoreUnavailable("away")

    async def create(self, digest, record, times, ttl):
        self.check()
        return await super().create(digest, record, times, ttl)

    async def load(self, digest):
        self.check()
        return await super().load(digest)

    async def touch(self, touches, ttl):
        self.check()
        return await super().touch(touches, ttl)

    async def end(self, ends):
        self.check()
        return await super().end(ends)

    async def end_idle(self, ends):
        self.check()
        return await super().end_idle(ends)


class Walk:
    """A pod whose clock and store the test moves."""

    def __init__(self, mark="header"):
        self.mark = mark
        self.now = 0.0
        self.store = Flapping(lambda: self.now)
        self.ids = []
        self.ended = []
        self.numbers = count()
        self.sessions = SessionManager(
            store=self.store,
            ids=SessionIds(Keyring.random()),
            settings=SessionManagement(ttl=60, max_lifetime=150, max_sessions_per_pod=4),
            on_end=self.on_end,
            clock=lambda: self.now,
        )
        # Nobody runs hooks before the walk is over: `end` must not wait for one.
        self.sessions._retirements.wait = no_wait

    async def on_end(self, session, _reason):
        assert session not in self.ended
        self.ended.append(session)

    def snapshot(self, number):
        return HeaderSnapshot([("X-Api-Key", f"{self.mark}-{number}".encode())])

    async def step(self, action, value):
        if action in {"use", "steal", "end", "elsewhere"}:
            if not self.ids:
                return
            await self.step_on(action, *self.ids[value % len(self.ids)])
        elif action == "open":
            number = next(self.numbers)
            created = await self.sessions.create(
                value,
                protocol_version="2025-11-25",
                client_capabilities=b"{}",
                client_info=b"{}",
                snapshot=self.snapshot(number),
            )
            if isinstance(created, Created):
                self.ids.append((created.session_id, value, number))
        elif action == "wait":
            self.now += value
        elif action == "store":
            self.store.is_there = value
        elif action == "cap":
            self.sessions.configure(SessionManagement(ttl=60, max_lifetime=150, max_sessions_per_pod=value))
        else:
            self.sessions._upkeep.doubt_all()

    async def step_on(self, action, session_id, owner, number):
        sessions = self.sessions
        if action == "use":
            await sessions.resolve(session_id, owner, lambda: self.snapshot(number))
        elif action == "steal":
            thief = BOB if owner is ALICE else ALICE
            assert not hasattr(await sessions.resolve(session_id, thief, lambda: EMPTY_SNAPSHOT), "snapshot")
        elif action == "elsewhere":
            sessions._on_ended(sessions._ids.digest_of(session_id).hex)
        else:
            try:
                await sessions.end(session_id, owner)
            except StoreUnavailable:
                assert not self.store.is_there


async def test_the_walk_reaches_what_it_is_meant_to_reach():
    walk = Walk()
    for _ in range(3):
        await walk.step("open", ALICE)
    assert walk.sessions.live == walk.sessions.snapshots == 3
    await walk.step("store", value=False)
    await walk.step("wait", 100.0)
    await walk.sessions._upkeep.tick()
    assert walk.sessions.live == walk.sessions.snapshots == 0
    assert len(walk.sessions._pending) == 3


@pytest.mark.scenario("H-6")
@settings(max_examples=examples(150))
@given(steps=STEPS)
@example(steps=[("open", ALICE), ("store", False), ("wait", 100.0), ("store", True), ("wait", 20.0)])
async def test_there_are_always_as_many_snapshots_as_sessions(steps):
    walk = Walk()
    sessions = walk.sessions
    for action, value in steps:
        await walk.step(action, value)
        await sessions._upkeep.tick()
        held = {id(session) for session in (*sessions._cache, *sessions._retirements)}
        # One that was idle while the store was away has none any more: its end may be long in coming.
        assert len(sessions._cache) <= sessions.snapshots <= len(held)
        assert all(session.holds_snapshot for session in sessions._cache)
        assert sessions.live <= len(held)
    walk.store.is_there = True
    await sessions.aclose()
    assert sessions.snapshots == sessions.live == len(sessions._retirements) == 0
    assert len(walk.ended) == len(set(walk.ended)) >= len(walk.ids)


async def no_wait(_session, _seconds):
    return


@pytest.mark.scenario("H-6")
async def test_no_header_value_outlives_its_session_in_memory():
    walk = Walk("mark of this test")
    for owner in (ALICE, BOB, ALICE):
        await walk.step("open", owner)
    assert values_in_memory() == 3
    await walk.step("elsewhere", 0)
    await walk.sessions._retirements.drain(1.0)
    await eventually(lambda: values_in_memory() == 2)
    await walk.sessions.aclose()
    await eventually(lambda: values_in_memory() == 0)


def values_in_memory():
    return sum(
        isinstance(thing, HeaderSnapshot) and thing.canonical_bytes().find(b"mark of this test") > 0
        for thing in heap.objects()
    )
