import asyncio
from contextlib import asynccontextmanager

import aiohttp
import pytest

from tests.operator.harness import Story, vmcp
from tests.operator.manifests import ALL
from vmcp_operator.errors import Unavailable
from vmcp_operator.health import STUCK_SECONDS, Health, build_app, serve
from vmcp_operator.queue.worker import Resync, Worker
from vmcp_operator.queue.workqueue import Backoff, WorkQueue
from vmcp_operator.telemetry import Telemetry
from vmcp_operator.watch import Scope

ONE = vmcp()


async def ignore(_key, _message):
    pass


@asynccontextmanager
async def working(reconcile, report_failure=None):
    queue = WorkQueue(Backoff(first=0.01, most=0.02))
    telemetry = Telemetry()
    health = Health(asyncio.get_running_loop().time, lambda: ())
    task = asyncio.create_task(Worker(queue, reconcile, telemetry, health, report_failure or ignore).run())
    try:
        async with asyncio.timeout(10):
            yield queue, telemetry, health
    finally:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        queue.close()


@pytest.mark.parametrize("error", [Unavailable("x", 503, "busy"), KeyError("a bug")])
async def test_a_failure_is_counted_and_tried_again_and_the_worker_lives(error):
    calls: asyncio.Queue = asyncio.Queue()

    async def reconcile(key):
        calls.put_nowait(key)
        if calls.qsize() < 3:
            raise error

    async with working(reconcile) as (queue, telemetry, _):
        queue.add(ONE)
        while calls.qsize() < 3 or queue.running:  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.005)
        sample = telemetry.registry.get_sample_value
        assert sample("controller_runtime_reconcile_errors_total", {"controller": "virtualmcpserver"}) == 2
        labels = {"controller": "virtualmcpserver", "result": "success"}
        assert sample("controller_runtime_reconcile_total", labels) == 1


async def test_a_step_that_wants_to_come_back_does():
    calls: asyncio.Queue = asyncio.Queue()

    async def reconcile(key):
        calls.put_nowait(key)
        return 0.01

    async with working(reconcile) as (queue, _, _health):
        queue.add(ONE)
        for _ in range(3):
            await calls.get()


async def test_a_reconcile_that_does_not_end_makes_the_process_unhealthy_and_a_deaf_one_is_not_ready():
    now = 0.0
    problems: tuple[str, ...] = ()
    health = Health(lambda: now, lambda: problems)
    async with serve(build_app(health, Telemetry()), "127.0.0.1", 0) as port, aiohttp.ClientSession() as http:

        async def ask(path):
            async with http.get(f"http://127.0.0.1:{port}{path}") as response:
                return response.status

        assert (await ask("/healthz"), await ask("/readyz")) == (200, 503)
        health.is_synced = True
        assert await ask("/readyz") == 200
        problems = ("the cluster is not watched",)
        assert await ask("/readyz") == 503
        health.began[ONE] = now
        now = STUCK_SECONDS + 1
        assert await ask("/healthz") == 503
        assert await ask("/metrics") == 200


async def test_a_resync_adds_every_resource_and_survives_an_api_server_that_is_away():
    story = Story(ALL)
    queue: WorkQueue = WorkQueue()
    telemetry = Telemetry()
    health = Health(asyncio.get_running_loop().time, lambda: ())
    resync = Resync(story.cluster, Scope(), queue, health, telemetry, interval=0.01)
    real, failures = story.cluster.list, iter([True, True])

    async def flaky(*args):
        if next(failures, False):
            raise Unavailable("list", 0, "no answer")
        return await real(*args)

    story.cluster.list = flaky
    task = asyncio.create_task(resync.run())
    async with asyncio.timeout(10):
        keys = {await queue.get() for _ in range(4)}
    assert {key.name for key in keys} == {"one", "tools", "files", "docs"}
    assert telemetry.registry.get_sample_value("vmcp_operator_resync_errors_total") >= 1
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_what_only_grows_in_a_queue_is_a_counter():
    telemetry = Telemetry()
    telemetry.observe_queue(lambda: 1, lambda: 7, lambda: 2)
    text = telemetry.render().decode()
    assert '# TYPE workqueue_adds_total counter\nworkqueue_adds_total{name="vmcp"} 7.0' in text
    assert '# TYPE workqueue_retries_total counter\nworkqueue_retries_total{name="vmcp"} 2.0' in text
    assert '# TYPE workqueue_depth gauge\nworkqueue_depth{name="vmcp"} 1.0' in text
