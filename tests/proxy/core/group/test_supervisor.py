"""How often a member is asked, and when it is left alone."""

import asyncio
import contextlib
from types import SimpleNamespace

import pytest

from tests.proxy.core.builders import FakeMember
from tests.support.raw_client import eventually
from vmcp_api.spec.operational import CircuitBreaker, FailureHandling, Operational
from vmcp_proxy.backends.credentials import NO_CREDENTIALS
from vmcp_proxy.backends.errors import BackendError, Category
from vmcp_proxy.core.group import supervisor as supervisors
from vmcp_proxy.core.group.supervisor import Supervisor
from vmcp_proxy.core.listings.cache import Listings
from vmcp_proxy.core.members.circuit import Circuit
from vmcp_proxy.core.members.health import HealthTracker
from vmcp_proxy.core.members.member import Bounds
from vmcp_proxy.protocol.jsonrpc import Response

FOREVER = 3600.0


class FakeLink:
    """A backend that lists nothing; counts what it is asked, and does with its stream what a test says."""

    def __init__(self, listen):
        self.backend = SimpleNamespace(name="one")
        self.pings = self.lists = self.listens = 0
        self.generation = 0
        self.is_down = False
        self._listen = listen

    async def opened(self, headers, deadline):
        self.lists += 1
        return SimpleNamespace(hello=SimpleNamespace(offers=frozenset(), version="2025-11-25"))

    async def request(self, method, params_for, headers, deadline, receiver):
        self.pings += method == "ping"
        if self.is_down:
            raise BackendError("one", Category.UNREACHABLE)
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


@contextlib.asynccontextmanager
async def supervised(link, *, breaker=None, interval=0.01):
    member = FakeMember(
        name="one",
        own_credentials=NO_CREDENTIALS,
        health=HealthTracker(3),
        circuit=Circuit(breaker or CircuitBreaker(), 1.0),
        attention=asyncio.Event(),
    )
    bounds = Bounds(Operational(failure_handling=FailureHandling(health_check_interval=interval)))
    async with asyncio.TaskGroup() as tasks:
        listings = Listings(tasks, lambda: None)
        links = SimpleNamespace(of=lambda _: link)
        task = tasks.create_task(Supervisor(member, listings, links, bounds, lambda: None).run())
        yield member
        task.cancel()


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
