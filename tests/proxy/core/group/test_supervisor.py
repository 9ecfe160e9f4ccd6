"""How often a member is asked, and when it is left alone."""

import asyncio
import contextlib
import math
from types import SimpleNamespace

import pytest

from tests.proxy.core.builders import FakeMember
from tests.support.raw_client import eventually
from vmcp_api.pod_status import CircuitState, Health
from vmcp_api.spec.operational import CircuitBreaker, FailureHandling, Operational
from vmcp_proxy.backends.credentials import NO_CREDENTIALS
from vmcp_proxy.backends.errors import BackendError, Category
from vmcp_proxy.core.group import supervisor as supervisors
from vmcp_proxy.core.group.supervisor import Supervisor
from vmcp_proxy.core.listings.cache import SHARED, Listings
from vmcp_proxy.core.members.circuit import Circuit
from vmcp_proxy.core.members.health import HealthTracker
from vmcp_proxy.core.members.member import Bounds
from vmcp_proxy.protocol.jsonrpc import Response

FOREVER = 3600.0


class FakeLink:
    """A backend that lists nothing; counts what it is asked, and does with its stream what a test says.

    It tells its lists while `tells` is set, and refuses them, or probes, with an error where there is one.
    """

    def __init__(self, listen):
        self.backend = SimpleNamespace(name="one")
        self.pings = self.lists = self.listens = 0
        self.generation = 0
        self.is_down = False
        self.tells = asyncio.Event()
        self.tells.set()
        self.refuses_lists = self.refuses_probes = None
        self._listen = listen

    async def opened(self, headers, deadline):
        self.lists += 1
        await self.tells.wait()
        if self.refuses_lists is not None:
            raise self.refuses_lists
        return SimpleNamespace(hello=SimpleNamespace(offers=frozenset(), version="2025-11-25"))

    async def request(self, method, params_for, headers, deadline, receiver):
        self.pings += method == "ping"
        if self.is_down:
            raise BackendError("one", Category.UNREACHABLE)
        if self.refuses_probes is not None:
            raise self.refuses_probes
        return Response(b"1", b"{}", None)

    async def listen(self, credentials, receiver, deadline):
        self.listens += 1
        return await self._listen()

    async def opened_after(self, generation):
        await hold()


async def hold():
    await asyncio.sleep(FOREVER)
    return True


async def end_well():
    return True


async def break_off():
    raise BackendError("one", Category.UNREACHABLE)


def a_member(breaker=None):
    return FakeMember(
        name="one",
        own_credentials=NO_CREDENTIALS,
        health=HealthTracker(3),
        circuit=Circuit(breaker or CircuitBreaker(), 1.0),
        attention=asyncio.Event(),
    )


def bounds_of(interval):
    return Bounds(Operational(failure_handling=FailureHandling(health_check_interval=interval)))


@contextlib.asynccontextmanager
async def supervised(link, *, breaker=None, interval=0.01):
    member, bounds = a_member(breaker), bounds_of(interval)
    async with asyncio.TaskGroup() as tasks:
        listings = member.listings = Listings(tasks, lambda: None)
        links = SimpleNamespace(of=lambda _: link)
        task = tasks.create_task(Supervisor(member, listings, links, bounds, lambda: None).run())
        yield member
        task.cancel()
        await asyncio.wait((task,))
        # A reading outlives whoever has begun it.
        link.tells.set()


async def more_pings(link, count=10):
    enough = link.pings + count
    await eventually(lambda: link.pings >= enough)


@pytest.mark.parametrize("end", [end_well, break_off])
async def test_a_stream_that_ends_at_once_is_asked_for_ever_less_often_and_so_are_the_lists(end, monkeypatch):
    monkeypatch.setattr(supervisors, "LISTEN_PAUSES", (0.0, 0.0, FOREVER))
    link = FakeLink(end)
    async with supervised(link):
        await eventually(lambda: link.listens == 3)
        await more_pings(link)
        assert link.listens == 3
        assert link.lists <= 3


async def test_a_stream_that_stays_costs_no_lists():
    link = FakeLink(hold)
    async with supervised(link):
        await more_pings(link)
        assert (link.listens, link.lists) == (1, 1)


@pytest.mark.scenario("B-10")
async def test_lists_that_are_fresh_are_probed_and_not_read_again():
    link = FakeLink(hold)
    async with supervised(link):
        await more_pings(link, 30)
        assert link.lists == 1


@pytest.mark.scenario("B-8")
async def test_while_the_circuit_is_open_the_backend_is_left_alone_and_tried_on_time():
    link = FakeLink(hold)
    breaker = CircuitBreaker(enabled=True, failure_threshold=2, timeout=FOREVER)
    async with supervised(link, breaker=breaker) as member:
        await more_pings(link, 2)
        link.is_down = True
        await eventually(lambda: not member.circuit.is_closed)
        asked = (link.pings, link.lists, link.listens)
        for _ in range(5):
            member.attention.set()
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        assert (link.pings, link.lists, link.listens) == asked
        link.is_down = False
        member.circuit.configure(breaker.model_copy(update={"timeout": 0.01}), 1.0)
        member.attention.set()
        await eventually(lambda: member.circuit.is_closed)
        await more_pings(link)


async def test_a_doubt_is_settled_by_a_probe_though_the_next_one_is_far_away(monkeypatch):
    monkeypatch.setattr(supervisors, "DOUBT_PAUSE", 0.01)
    link = FakeLink(hold)
    breaker = CircuitBreaker(enabled=True, failure_threshold=2, timeout=FOREVER)
    async with supervised(link, breaker=breaker, interval=FOREVER) as member:
        await eventually(lambda: link.listens)
        assert link.pings == 0
        member.circuit.doubted(member.circuit.admit(0.0), 0.0)
        member.attention.set()
        await eventually(lambda: link.pings)
        await eventually(lambda: not member.circuit.is_doubted)


@pytest.mark.scenario("A-10", "B-10")
async def test_while_lists_hang_they_are_not_asked_for_again_and_probes_keep_their_time():
    link = FakeLink(hold)
    link.tells.clear()
    async with supervised(link) as member:
        await more_pings(link)
        assert (link.lists, link.listens, member.health.state) == (1, 0, Health.HEALTHY)
        member.listings.invalidate(member, SHARED)
        member.attention.set()
        await more_pings(link)
        assert link.lists == 1
        link.tells.set()
        await eventually(lambda: link.listens)


@pytest.mark.scenario("B-10")
async def test_the_end_of_a_reading_is_a_sign_of_life_that_puts_the_next_probe_off():
    link = FakeLink(hold)
    link.tells.clear()
    member, bounds = a_member(), bounds_of(60.0)
    async with asyncio.TaskGroup() as tasks:
        listings = Listings(tasks, lambda: None)
        listings.ttl = math.inf
        supervisor = Supervisor(member, listings, SimpleNamespace(of=lambda _: link), bounds, lambda: None)
        await supervisor._look(tasks)
        while_it_lasts = supervisor._due(0.0)
        await eventually(lambda: link.lists)
        link.tells.set()
        await eventually(lambda: listings.entry(member, SHARED).listing)
        assert supervisor._due(0.0) > while_it_lasts
        assert link.pings == 0


async def test_a_doubt_is_settled_while_the_lists_hang(monkeypatch):
    monkeypatch.setattr(supervisors, "DOUBT_PAUSE", 0.01)
    link = FakeLink(hold)
    link.tells.clear()
    async with supervised(link, interval=FOREVER) as member:
        await eventually(lambda: link.lists)
        member.circuit.doubted(member.circuit.admit(0.0), 0.0)
        member.attention.set()
        await eventually(lambda: link.pings and not member.circuit.is_doubted)
        assert link.lists == 1


async def test_a_doubt_that_lists_leave_is_settled_by_a_probe_and_not_by_the_lists_again(monkeypatch):
    monkeypatch.setattr(supervisors, "DOUBT_PAUSE", 0.01)
    link = FakeLink(hold)
    link.refuses_lists = BackendError("one", Category.TIMEOUT)
    async with supervised(link, interval=FOREVER) as member:
        await eventually(lambda: link.pings and not member.circuit.is_doubted)


@pytest.mark.scenario("A-10", "B-8")
async def test_lists_that_hang_hold_up_neither_the_opening_of_the_circuit_nor_its_trial():
    link = FakeLink(hold)
    link.tells.clear()
    breaker = CircuitBreaker(enabled=True, failure_threshold=2, timeout=0.01)
    async with supervised(link, breaker=breaker) as member:
        await more_pings(link, 2)
        link.is_down = True
        await eventually(lambda: member.circuit.entered[CircuitState.HALF_OPEN])
        assert link.lists == 1
        link.is_down = False
        # What was asked before it went away may never be answered.
        await eventually(lambda: link.lists == 2 and member.circuit.is_closed)
        await more_pings(link)
        assert link.lists == 2


@pytest.mark.scenario("B-11")
@pytest.mark.parametrize("refuses", ["refuses_lists", "refuses_probes"])
async def test_a_server_that_asks_to_be_left_alone_gets_neither_probes_nor_questions_for_its_lists(refuses):
    link = FakeLink(hold)
    setattr(link, refuses, BackendError("one", Category.BUSY, retry_after=60))
    async with supervised(link) as member:
        await eventually(lambda: link.lists if refuses == "refuses_lists" else link.pings)
        await eventually(lambda: member.health.state is not Health.UNKNOWN)
        link.refuses_lists = link.refuses_probes = None
        asked = (link.pings, link.lists)
        for _ in range(5):
            member.listings.invalidate(member, SHARED)
            member.attention.set()
            await asyncio.sleep(0.02)
        assert (link.pings, link.lists) == asked
