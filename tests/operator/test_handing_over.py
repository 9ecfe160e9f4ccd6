"""A leader that is told to end gives the Lease back at once, and never while it may still write."""

import asyncio
import os
import signal
import subprocess
import sys
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from tests.operator.memory import MemoryCluster
from tests.operator.test_candidates import NOW
from tests.operator.test_elector import CONFIG, PLACE, TIMING, Process, holder, metadata, running
from vmcp_operator.errors import NotLeading, Unavailable
from vmcp_operator.leader.candidate import Candidate, Timing
from vmcp_operator.leader.elector import Elector
from vmcp_operator.leader.lease import UNHELD, claimed, read_lease
from vmcp_operator.telemetry import Telemetry

PATIENT = Timing(lease=200, deadline=100.0, retry=60.0)
"""Nothing that is waited for in a test comes by the next look."""

IMPORTING = """import os
os.write(1, b"importing")
os.read(0, 1)
"""


def config(name):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata(name), "data": {}}


class Writer(Process):
    """Its work is one write, which the API server answers when `answer` is set; it may take `rest` to end."""

    def __init__(self, cluster, name="a", timing=TIMING):
        super().__init__(cluster, name, timing)
        self.sent, self.answer, self.rest = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self.rest.set()
        apply = cluster.apply

        async def slowly(manifest):
            self.sent.set()
            await self.answer.wait()
            return await apply(manifest)

        cluster.apply = slowly

    async def lead(self):
        self.began.set()
        try:
            await self.fenced.apply(config("x"))
            await asyncio.Event().wait()
        finally:
            # Such as the thread of the watch.
            await self.rest.wait()
            self.ended.set()


@asynccontextmanager
async def told_to_end(process):
    """Running until it has begun to write, then cancelled."""
    async with running(process) as (task,):
        await process.sent.wait()
        task.cancel()
        yield task


async def end(task):
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def given_back(cluster):
    while holder(cluster) != UNHELD:  # noqa: ASYNC110 - an object in memory has no event
        await asyncio.sleep(0.01)


@pytest.mark.scenario("K-14")
async def test_the_lease_is_given_back_while_the_work_still_takes_its_time_to_end():
    cluster = MemoryCluster()
    a = Writer(cluster)
    a.answer.set()
    a.rest.clear()
    async with told_to_end(a) as task:
        await given_back(cluster)
        assert not a.ended.is_set()
        assert not a.elector.leads()
        a.rest.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert a.ended.is_set()


@pytest.mark.scenario("K-25")
async def test_a_write_that_was_begun_is_waited_for_and_none_begins_any_more():
    cluster = MemoryCluster()
    a = Writer(cluster, timing=PATIENT)
    async with told_to_end(a):
        while a.elector.leads():  # noqa: ASYNC110 - it has no event
            await asyncio.sleep(0)
        with pytest.raises(NotLeading):
            await a.fenced.create(config("y"))
        assert (holder(cluster), CONFIG in cluster.objects) == ("a", False)
        a.answer.set()
        await given_back(cluster)
        assert CONFIG in cluster.objects


@pytest.mark.scenario("K-25")
async def test_a_write_without_an_answer_may_still_be_done_so_that_the_lease_runs_out(caplog):
    cluster = MemoryCluster()
    a = Writer(cluster)
    async with told_to_end(a) as task:
        with pytest.raises(asyncio.CancelledError):
            await task
    assert a.ended.is_set()
    assert holder(cluster) == "a"
    assert "lease runs out, as a write was not answered" in [each.getMessage() for each in caplog.records]


async def test_a_renewal_that_is_done_after_it_was_cut_off_is_no_reason_to_keep_the_lease():
    cluster = MemoryCluster()
    a = Writer(cluster)
    a.answer.set()
    get = cluster.get

    async def overtaken(ref):
        found = await get(ref)
        cluster.get = get
        cluster.edit(PLACE, lambda live: live["spec"].update(renewTime="2026-05-04T12:00:00.000000Z"))
        return found

    async with running(a) as (task,):
        await a.sent.wait()
        cluster.get = overtaken
        await end(task)
    assert cluster.get is get
    assert holder(cluster) == UNHELD


async def test_an_api_server_that_is_away_for_a_moment_gets_the_lease_back_when_it_is_there():
    cluster = MemoryCluster()
    a = Writer(cluster)
    a.answer.set()
    away = [Unavailable(str(PLACE), 503, "starting"), Unavailable(str(PLACE), 0, "no answer")]

    def fail(verb, _ref):
        if verb == "get" and away:
            raise away.pop()

    async with running(a) as (task,):
        await a.sent.wait()
        cluster.fail = fail
        await end(task)
    assert away == []
    assert holder(cluster) == UNHELD


@asynccontextmanager
async def waiting(cluster, timing):
    """One that has looked at the Lease; `looked` tells each time that it looks again."""
    never = asyncio.Event()
    elector = Elector(cluster, PLACE, Candidate("b", timing), Telemetry())
    get = cluster.get
    looked = asyncio.Semaphore(0)

    async def told(ref):
        found = await get(ref)
        looked.release()
        return found

    cluster.get = told
    task = asyncio.create_task(elector.run(never.wait, never.wait))
    try:
        async with asyncio.timeout(30):
            await looked.acquire()
            await asyncio.sleep(0)
            yield elector, looked
    finally:
        task.cancel()
        await asyncio.wait({task})


@pytest.mark.scenario("K-14")
async def test_who_waits_stays_ready_while_a_lease_that_was_deleted_is_not_to_be_taken():
    cluster = MemoryCluster()
    await cluster.create(claimed(PLACE, None, "a", PATIENT.lease, NOW))
    async with waiting(cluster, replace(PATIENT, retry=0.05)) as (elector, looked):
        assert elector.problems() == ()
        del cluster.objects[PLACE]
        await looked.acquire()
        await asyncio.sleep(0)
        assert elector.problems() == ()


@pytest.mark.scenario("K-14")
async def test_who_is_too_late_for_a_free_lease_sees_at_once_who_has_it_and_is_ready():
    cluster = MemoryCluster()
    await cluster.create(claimed(PLACE, None, UNHELD, 1, NOW))
    write = cluster.replace

    async def overtaken(manifest):
        cluster.replace = write
        await write(claimed(PLACE, read_lease(cluster.objects[PLACE]), "a", PATIENT.lease, NOW))
        return await write(manifest)

    cluster.replace = overtaken
    async with waiting(cluster, PATIENT) as (elector, looked):
        await looked.acquire()
        await asyncio.sleep(0)
        assert elector.problems() == ()
        assert not elector.leads()


def test_a_process_that_is_told_to_end_while_it_starts_ends(tmp_path):
    slow = tmp_path / "kubernetes"
    slow.mkdir()
    (slow / "__init__.py").write_text(IMPORTING)
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    command = [sys.executable, "-m", "vmcp_operator"]
    with subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout.read(9) == b"importing"
        # The kernel keeps from the first process of a container what it has no handler for.
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
