"""Electors that share one Lease: who works, and what becomes of it when the API server or a process goes away."""

import asyncio
import json
import logging
from contextlib import asynccontextmanager

import pytest

from tests.operator.memory import MemoryCluster
from vmcp_operator.errors import Denied, NotLeading, Unavailable
from vmcp_operator.health import Health, Standby
from vmcp_operator.leader.candidate import Candidate, Timing
from vmcp_operator.leader.elector import Elector
from vmcp_operator.leader.fence import Fenced
from vmcp_operator.leader.lease import read_lease
from vmcp_operator.plan.kinds import CONFIG_MAP, EVENT, LEASE, Ref
from vmcp_operator.telemetry import Telemetry

PLACE = Ref(LEASE, "vmcp-system", "vmcp-operator")
TIMING = Timing(lease=1, deadline=0.6, retry=0.05)
CONFIG = Ref(CONFIG_MAP, "default", "x")


class Process:
    """One operator: writes again and again while it leads."""

    def __init__(self, cluster, name, timing=TIMING):
        self.cluster = cluster
        self.telemetry = Telemetry()
        self.elector = Elector(cluster, PLACE, Candidate(name, timing), self.telemetry)
        self.fenced = Fenced(cluster, self.elector.leads)
        self.began, self.ended = asyncio.Event(), asyncio.Event()
        self.crash = asyncio.Event()

    async def lead(self):
        self.ended.clear()
        self.began.set()
        try:
            await self.crash.wait()
            raise KeyError("a bug")
        finally:
            self.began.clear()
            self.ended.set()

    def status(self):
        return self.telemetry.registry.get_sample_value("leader_election_master_status", {"name": PLACE.name})


@asynccontextmanager
async def running(*processes):
    tasks = [asyncio.create_task(each.elector.run(each.lead, each.fenced.settled)) for each in processes]
    try:
        async with asyncio.timeout(30):
            yield tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


def holder(cluster):
    return read_lease(cluster.objects[PLACE]).holder


async def first_of(*processes):
    waits = [asyncio.create_task(each.began.wait()) for each in processes]
    done, others = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for other in others:
        other.cancel()
    return processes[waits.index(done.pop())]


@pytest.mark.scenario("K-25")
async def test_one_of_two_works_and_hands_over_at_once_when_it_is_told_to_end():
    cluster = MemoryCluster()
    a, b = Process(cluster, "a"), Process(cluster, "b")
    async with running(a, b) as tasks:
        leader = await first_of(a, b)
        other = b if leader is a else a
        assert (leader.status(), other.status()) == (1, 0)
        while other.elector.problems():  # noqa: ASYNC110 - it looks again and again
            await asyncio.sleep(0.01)
        assert not other.elector.leads()
        tasks[[a, b].index(leader)].cancel()
        await leader.ended.wait()
        await other.began.wait()
        assert not leader.elector.leads()
        assert leader.status() == 0
        assert read_lease(cluster.objects[PLACE]).transitions == 1
    assert holder(cluster) == ""


@pytest.mark.scenario("K-14")
async def test_when_the_leader_is_gone_without_a_word_the_other_takes_over():
    cluster = MemoryCluster()
    a, b = Process(cluster, "a"), Process(cluster, "b")
    async with running(a):
        await a.began.wait()
        mine = cluster.objects[PLACE]
        # Killed: it gives nothing back.
        cluster.fail = refuse("replace", Unavailable(str(PLACE), 0, "no answer"))
    cluster.fail = lambda _verb, _ref: None
    assert cluster.objects[PLACE] == mine
    async with running(b):
        await b.began.wait()
        assert (holder(cluster), read_lease(cluster.objects[PLACE]).transitions) == ("b", 1)


def refuse(verbs, error):
    def fail(verb, _ref):
        if verb in verbs:
            raise error

    return fail


@pytest.mark.scenario("K-13", "K-14")
async def test_a_leader_that_cannot_renew_ends_its_work_before_another_may_begin_and_begins_anew_when_it_can():
    cluster = MemoryCluster()
    a = Process(cluster, "a")
    async with running(a):
        await a.began.wait()
        assert await a.fenced.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata("x")})
        cluster.fail = refuse(("get", "replace"), Unavailable(str(PLACE), 0, "no answer"))
        await a.ended.wait()
        assert not a.elector.leads()
        assert holder(cluster) == "a"
        with pytest.raises(NotLeading, match="ConfigMap default/y: not written, as this operator does not lead"):
            await a.fenced.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata("y")})
        cluster.fail = lambda _verb, _ref: None
        await a.began.wait()
        assert a.elector.leads()
        assert a.status() == 1


def metadata(name):
    return {"namespace": "default", "name": name}


async def test_an_answer_that_never_comes_ends_the_work_all_the_same():
    cluster = MemoryCluster()
    a = Process(cluster, "a")
    async with running(a):
        await a.began.wait()
        never = asyncio.Event()

        async def hang(_manifest):
            await never.wait()

        cluster.replace = hang
        await a.ended.wait()
        assert not a.elector.leads()


async def test_who_is_told_to_end_at_the_moment_at_which_it_loses_ends():
    cluster = MemoryCluster()
    a = Process(cluster, "a")
    async with running(a) as (task,):
        await a.began.wait()
        cluster.edit(PLACE, lambda live: live["spec"].update(holderIdentity="b"))
        await a.ended.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_somebody_who_takes_the_lease_by_force_ends_the_work_and_is_named(caplog):
    cluster = MemoryCluster()
    a = Process(cluster, "a")
    async with running(a):
        await a.began.wait()
        cluster.edit(PLACE, lambda live: live["spec"].update(holderIdentity="b"))
        await a.ended.wait()
        assert not a.elector.leads()
    (lost,) = (each for each in caplog.records if each.getMessage() == "leads no more")
    assert lost.vmcp_fields["problem"] == "b holds it"


async def test_a_lease_that_is_deleted_or_annotated_under_its_holder_is_kept_by_it():
    cluster = MemoryCluster()
    a = Process(cluster, "a")
    async with running(a):
        await a.began.wait()
        del cluster.objects[PLACE]
        while PLACE not in cluster.objects:  # noqa: ASYNC110 - an object in memory has no event
            await asyncio.sleep(0.01)
        cluster.edit(PLACE, lambda live: live["metadata"].update(annotations={"a": "b"}))
        version = cluster.objects[PLACE]["metadata"]["resourceVersion"]
        while cluster.objects[PLACE]["metadata"]["resourceVersion"] == version:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        assert cluster.objects[PLACE]["metadata"]["annotations"] == {"a": "b"}
        assert not a.ended.is_set()
        assert a.elector.leads()


async def test_a_crash_of_the_work_is_raised_and_the_lease_given_back():
    cluster = MemoryCluster()
    a = Process(cluster, "a")
    async with running(a) as (task,):
        await a.began.wait()
        a.crash.set()
        with pytest.RaisesGroup(KeyError):
            await task
    assert holder(cluster) == ""


async def test_a_missing_right_makes_the_process_unready_in_the_words_of_the_api_server_and_is_logged_once(caplog):
    caplog.set_level(logging.WARNING)
    cluster = MemoryCluster()
    words = 'leases.coordination.k8s.io "vmcp-operator" is forbidden'
    asked = asyncio.Semaphore(0)

    def fail(verb, _ref):
        asked.release()
        raise Denied(str(PLACE), 403, words)

    cluster.fail = fail
    a = Process(cluster, "a")
    standby = Standby(a.elector.problems)
    assert standby.missing() == (f"{PLACE}: it has not been read yet",)
    async with running(a):
        for _ in range(3):
            await asked.acquire()
        assert standby.missing() == (f"{PLACE}: {PLACE}: {words} (HTTP 403)",)
        cluster.fail = lambda _verb, _ref: None
        await a.began.wait()
        assert standby.missing() == ()
    assert [record.getMessage() for record in caplog.records].count("lease not answered") == 1


async def test_one_that_waits_is_ready_and_one_that_works_is_when_its_work_is():
    standby = Standby(tuple)
    assert (standby.missing(), standby.problems()) == ((), ())
    standby.work = Health(lambda: 0.0, lambda: ("deaf",))
    assert standby.missing() == ("deaf", "the resources have not been listed")
    standby.work.began["x"] = -1000.0
    assert standby.problems() == ("a reconcile does not end",)


async def test_one_that_is_about_to_lead_is_not_ready_before_it_does():
    cluster = MemoryCluster()
    a = Process(cluster, "a")
    held, go_on = asyncio.Event(), asyncio.Event()
    create = cluster.create

    async def slowly(manifest):
        held.set()
        await go_on.wait()
        return await create(manifest)

    cluster.create = slowly
    async with running(a):
        await held.wait()
        assert a.elector.problems() == (f"{PLACE}: it is about to be taken",)
        go_on.set()
        await a.began.wait()
        assert a.elector.problems() == ()


async def test_without_the_lease_nothing_is_written_and_everything_can_be_read():
    cluster = MemoryCluster()
    may = False
    fenced = Fenced(cluster, lambda: may)
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata("x"), "data": {}}
    for write in (
        lambda: fenced.create(config),
        lambda: fenced.apply(config),
        lambda: fenced.apply_status(config),
        lambda: fenced.annotate(CONFIG, {"a": "b"}),
        lambda: fenced.delete(CONFIG, "uid"),
    ):
        with pytest.raises(NotLeading):
            await write()
    assert await fenced.get(CONFIG) is None
    assert await fenced.list(EVENT, "") == ()
    assert await fenced.missing((EVENT,)) == ()
    assert cluster.writes == []
    may = True
    await fenced.apply(config)
    await fenced.annotate(CONFIG, {"a": "b"})
    await fenced.delete(CONFIG, cluster.objects[CONFIG]["metadata"]["uid"])
    assert json.dumps([verb for verb, _ in cluster.writes]) == '["apply", "annotate", "delete"]'
