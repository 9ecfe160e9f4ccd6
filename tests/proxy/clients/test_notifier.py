"""How often clients hear that their lists have changed, by a clock that jumps from timer to timer."""

import asyncio

import pytest

from tests.support.virtual_time import run_virtually
from vmcp_proxy.clients.notifier import Notifier
from vmcp_proxy.core.catalog.capabilities import Capability
from vmcp_proxy.core.catalog.catalog import Catalog
from vmcp_proxy.protocol.kinds import Kind

TOOLS = "notifications/tools/list_changed"


class Client:
    """One that listens; `times` are those at which it heard of other tools."""

    ref = "00000000"

    def __init__(self, number):
        self.caller = number
        self.told = {}
        self.times = []

    def tell_changed(self, method):
        assert method == TOOLS
        self.times.append(round(asyncio.get_running_loop().time(), 3))


class World:
    """Clients, and a view that takes as many seconds as it is told to."""

    def __init__(self, clients=1):
        self.clients = [Client(number) for number in range(clients)]
        self.version = 0
        self.seconds = 0.0
        self.fails_for = None
        self._notifier = Notifier(lambda: self.clients)
        self._notifier.attach(self)

    async def view(self, caller):
        await asyncio.sleep(self.seconds)
        if caller == self.fails_for:
            raise RuntimeError
        return Catalog(tools=(Capability(Kind.TOOL, "t", "one", "t", b"%d" % self.version),))

    def change(self):
        """Gives the view another list, and says so."""
        self.version += 1
        self._notifier.changed()

    @property
    def times(self):
        return self.clients[0].times

    def play(self, script):
        async def main():
            for client in self.clients:
                await self._notifier.opened(client)
            running = asyncio.create_task(self._notifier.run())
            await script()
            running.cancel()
            await asyncio.wait([running])

        run_virtually(main())


@pytest.mark.scenario("A-14")
def test_lists_that_change_all_the_time_are_told_more_and_more_seldom_and_promptly_after_a_rest():
    world = World()

    async def script():
        for _ in range(500):
            world.change()
            await asyncio.sleep(0.02)
        await asyncio.sleep(10)
        world.change()
        await asyncio.sleep(1)

    world.play(script)
    pauses = [later - earlier for earlier, later in zip([0.0, *world.times], world.times, strict=False)]
    assert pauses[:-1] == pytest.approx([0.05, 0.1, 0.2, 0.4, 0.8, *[1.0] * 9], abs=0.03)
    assert world.times[-1] == pytest.approx(20.05, abs=0.03)


@pytest.mark.scenario("A-14")
def test_changes_that_follow_one_another_at_once_are_told_as_one():
    world = World()

    async def script():
        for _ in range(5):
            world.change()
            await asyncio.sleep(0.009)
        await asyncio.sleep(10)

    world.play(script)
    assert world.times == [0.05]


def test_a_change_that_is_taken_back_before_it_is_told_is_not_told():
    world = World()

    async def script():
        world.change()
        world.version -= 1
        await asyncio.sleep(10)

    world.play(script)
    assert world.times == []


@pytest.mark.scenario("A-14", "A-10")
def test_views_that_take_long_do_not_make_clients_wait_for_one_another():
    world = World(clients=12)

    async def script():
        world.seconds = 2.0
        world.change()
        await asyncio.sleep(10)

    world.play(script)
    assert [client.times for client in world.clients] == [[2.05]] * 12


def test_a_view_that_fails_costs_its_client_the_news_and_nobody_else(caplog):
    world = World(clients=3)

    async def script():
        world.fails_for = 1
        world.change()
        await asyncio.sleep(10)
        world.fails_for = None
        world.change()
        await asyncio.sleep(10)

    world.play(script)
    assert [client.times for client in world.clients] == [[0.05, 10.05], [10.05], [0.05, 10.05]]
    assert [record.getMessage() for record in caplog.records if record.name == "vmcp.core"] == ["view failed"]
