"""How often clients hear that their lists have changed, by a clock that jumps from timer to timer."""

import asyncio

import pytest

from tests.support.virtual_time import run_virtually
from vmcp_proxy.clients.notifier import Notifier
from vmcp_proxy.core.catalog.capabilities import Capability
from vmcp_proxy.core.catalog.catalog import Catalog
from vmcp_proxy.protocol.kinds import Kind

TOOLS = "notifications/tools/list_changed"


class World:
    """A client that listens, and a view that is another one each time that it is asked for a new one."""

    ref = "00000000"
    caller = "somebody"

    def __init__(self):
        self.told = {}
        self.heard = []
        self._number = 0
        self._notifier = Notifier(lambda: [self])
        self._notifier.attach(self)

    def tell_changed(self, method):
        self.heard.append((asyncio.get_running_loop().time(), method))

    async def view(self, _caller):
        return Catalog(tools=(Capability(Kind.TOOL, "t", "one", "t", b"%d" % self._number),))

    def change(self):
        """Gives the view another list, and says so."""
        self._number += 1
        self._notifier.changed()

    @property
    def times(self):
        assert {method for _, method in self.heard} <= {TOOLS}
        return [round(time, 3) for time, _ in self.heard]

    def play(self, script):
        async def main():
            await self._notifier.opened(self)
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
        world._number -= 1
        await asyncio.sleep(10)

    world.play(script)
    assert world.times == []
