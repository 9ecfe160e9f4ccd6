import asyncio

import pytest

from vmcp_operator.cluster.shared_lists import ASK_AGAIN_SECONDS, SharedLists
from vmcp_operator.errors import Rejected, Unavailable
from vmcp_operator.plan.kinds import SERVER


class SlowCluster:
    """Answers each list with its number, once it is let go."""

    def __init__(self):
        self.begun = 0
        self.gate = asyncio.Event()
        self.error = None
        self.selects = True
        self.asked = []

    async def list(self, kind, namespace, *, fields=""):
        if fields and not self.selects:
            raise Rejected("list", 400, "field label not supported: spec.groupRef.name")
        self.begun += 1
        self.asked.append((namespace, fields))
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
    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
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
    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        for namespace in "ab":
            group.create_task(lists.list(SERVER, namespace))
        await settle()
        assert cluster.begun == 2
        cluster.gate.set()


async def test_a_failure_reaches_everybody_and_the_next_request_reads_again():
    cluster = SlowCluster()
    cluster.error = Unavailable("list", 503, "busy")
    lists = SharedLists(cluster)
    async with asyncio.timeout(30):
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
    async with asyncio.timeout(30):
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


async def test_the_members_of_a_group_are_selected_by_the_api_server_and_each_group_has_a_list_of_its_own():
    cluster = SlowCluster()
    lists = SharedLists(cluster)
    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        for name in ("g1", "g2", "g1", ""):
            group.create_task(lists.list(SERVER, "a", name))
        await settle()
        assert sorted(cluster.asked) == [("a", ""), ("a", "spec.groupRef.name=g1"), ("a", "spec.groupRef.name=g2")]
        cluster.gate.set()
    assert cluster.asked.count(("a", "spec.groupRef.name=g1")) == 2


async def test_an_api_server_that_cannot_select_by_group_is_asked_for_all_and_asked_again_after_a_while():
    cluster, now = SlowCluster(), [0.0]
    cluster.selects = False
    cluster.gate.set()
    lists = SharedLists(cluster, clock=lambda: now[0])
    async with asyncio.timeout(30):
        assert await lists.list(SERVER, "a", "g1")
        assert await lists.list(SERVER, "a", "g2")
    assert cluster.asked == [("a", ""), ("a", "")]
    cluster.selects = True
    await lists.list(SERVER, "a", "g1")
    assert cluster.asked[-1] == ("a", "")
    now[0] = ASK_AGAIN_SECONDS
    await lists.list(SERVER, "a", "g1")
    assert cluster.asked[-1] == ("a", "spec.groupRef.name=g1")


async def test_a_request_that_is_refused_for_itself_says_nothing_of_the_next_one():
    cluster = SlowCluster()
    cluster.gate.set()
    cluster.error = Rejected("list", 400, "invalid selector: 'a,b'; can't understand 'b'")
    lists = SharedLists(cluster)
    async with asyncio.timeout(30):
        with pytest.raises(Rejected):
            await lists.list(SERVER, "a", "g1")
        cluster.error = None
        await lists.list(SERVER, "a", "g1")
    assert [fields for _, fields in cluster.asked] == ["spec.groupRef.name=g1"] * 2


async def test_a_name_is_one_value_of_a_selector_whatever_it_contains():
    cluster = SlowCluster()
    cluster.gate.set()
    async with asyncio.timeout(30):
        await SharedLists(cluster).list(SERVER, "a", "x,metadata.name=y\\")
    assert cluster.asked == [("a", "spec.groupRef.name=x\\,metadata.name\\=y\\\\")]


async def test_groups_that_come_and_go_leave_nothing_behind():
    cluster = SlowCluster()
    lists = SharedLists(cluster)
    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        for name in ("g1", "g1", "g2"):
            group.create_task(lists.list(SERVER, "a", name))
        await settle()
        cluster.gate.set()
    assert lists.waiting == 0
