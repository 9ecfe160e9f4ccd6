import asyncio

import pytest

from vmcp_operator.cluster.shared_lists import SharedLists
from vmcp_operator.errors import Unavailable
from vmcp_operator.plan.kinds import SERVER


class SlowCluster:
    """Answers each list with its number, once it is let go."""

    def __init__(self):
        self.begun = 0
        self.gate = asyncio.Event()
        self.error = None

    async def list(self, kind, namespace):
        self.begun += 1
        number = self.begun
        await self.gate.wait()
        if self.error:
            raise self.error
        return ({"number": number},)


async def settle():
    for _ in range(5):
        await asyncio.sleep(0)


async def test_requests_while_a_list_is_read_share_the_next_one_and_never_the_one_that_has_begun():
    cluster = SlowCluster()
    lists = SharedLists(cluster)
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        first = group.create_task(lists.list(SERVER, "a"))
        await settle()
        assert cluster.begun == 1
        later = [group.create_task(lists.list(SERVER, "a")) for _ in range(5)]
        await settle()
        assert cluster.begun == 1
        cluster.gate.set()
    assert first.result() == ({"number": 1},)
    assert {each.result()[0]["number"] for each in later} == {2}
    assert cluster.begun == 2


async def test_other_namespaces_do_not_wait():
    cluster = SlowCluster()
    lists = SharedLists(cluster)
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        for namespace in "ab":
            group.create_task(lists.list(SERVER, namespace))
        await settle()
        assert cluster.begun == 2
        cluster.gate.set()


async def test_a_failure_reaches_everybody_and_the_next_request_reads_again():
    cluster = SlowCluster()
    cluster.error = Unavailable("list", 503, "busy")
    lists = SharedLists(cluster)
    async with asyncio.timeout(5):
        tasks = [asyncio.create_task(lists.list(SERVER, "a")) for _ in range(3)]
        await settle()
        cluster.gate.set()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(each) for each in outcomes] == [Unavailable] * 3
        cluster.error = None
        assert await lists.list(SERVER, "a")


async def test_one_who_gives_up_does_not_strand_the_others():
    cluster = SlowCluster()
    lists = SharedLists(cluster)
    async with asyncio.timeout(5):
        first = asyncio.create_task(lists.list(SERVER, "a"))
        await settle()
        leader = asyncio.create_task(lists.list(SERVER, "a"))
        await settle()
        follower = asyncio.create_task(lists.list(SERVER, "a"))
        await settle()
        leader.cancel()
        with pytest.raises(Unavailable):
            await follower
        cluster.gate.set()
        await first
        assert await lists.list(SERVER, "a")
        with pytest.raises(asyncio.CancelledError):
            await leader
