import asyncio
import re
from contextlib import asynccontextmanager

import aiohttp
import pytest

from tests.operator.harness import Story, vmcp
from tests.operator.manifests import ALL
from vmcp_operator.app import build_metrics
from vmcp_operator.errors import Denied, Unavailable
from vmcp_operator.health import STUCK_SECONDS, Health, build_app, serve
from vmcp_operator.plan.kinds import LIFECYCLE
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


async def test_a_kind_of_another_operator_that_may_not_be_listed_leaves_the_resync_whole():
    story = Story(ALL)
    queue, telemetry = WorkQueue(), Telemetry()
    health = Health(asyncio.get_running_loop().time, lambda: ())

    def deny(_verb, ref):
        if ref.kind in LIFECYCLE:
            raise Denied(str(ref), 403, "forbidden")

    story.cluster.fail = deny
    task = asyncio.create_task(
        Resync(story.cluster, Scope(lifecycle=True), queue, health, telemetry, interval=60).run()
    )
    async with asyncio.timeout(10):
        keys = {await queue.get() for _ in range(4)}
        while not health.is_synced:  # noqa: ASYNC110 - a flag has no event
            await asyncio.sleep(0.01)
    assert {key.name for key in keys} == {"one", "tools", "files", "docs"}
    assert telemetry.registry.get_sample_value("vmcp_operator_resync_errors_total") == 0
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def sampled(registry, name, controller="virtualmcpserver"):
    return registry.get_sample_value(name, {"name": controller, "controller": controller})


async def test_a_queue_tells_what_controller_runtime_tells_of_the_kind_of_each_key():
    telemetry = Telemetry()
    metrics = build_metrics(telemetry, workers=8)
    queue: WorkQueue = WorkQueue(Backoff(first=60), metrics=metrics)
    registry = telemetry.registry
    assert sampled(registry, "workqueue_depth") == sampled(registry, "workqueue_adds_total", "mcpgroup") == 0
    queue.add(ONE)
    queue.add(ONE)
    assert (sampled(registry, "workqueue_depth"), sampled(registry, "workqueue_depth", "mcpgroup")) == (1, 0)
    assert sampled(registry, "workqueue_adds_total") == 1
    key = await queue.get()
    assert sampled(registry, "workqueue_depth") == 0
    assert sampled(registry, "workqueue_unfinished_work_seconds") > 0
    assert sampled(registry, "workqueue_longest_running_processor_seconds") > 0
    queue.retry(key)
    queue.done(key)
    assert sampled(registry, "workqueue_retries_total") == 1
    assert sampled(registry, "workqueue_unfinished_work_seconds") == 0
    assert sampled(registry, "workqueue_queue_duration_seconds_count") == 1
    assert sampled(registry, "workqueue_work_duration_seconds_count") == 1
    queue.add(ONE)
    queue.close()
    # The next term begins with an empty queue, and what only grows goes on.
    again: WorkQueue = WorkQueue(metrics=metrics)
    assert sampled(registry, "workqueue_depth") == 0
    again.add(ONE)
    assert sampled(registry, "workqueue_adds_total") == 3
    again.close()


async def test_workers_tell_of_what_they_are_at():
    at_work, go_on = asyncio.Event(), asyncio.Event()

    async def reconcile(_key):
        at_work.set()
        await go_on.wait()

    async with working(reconcile) as (queue, telemetry, _):
        telemetry.expect(["virtualmcpserver"], 1)
        labels = {"controller": "virtualmcpserver"}
        sample = telemetry.registry.get_sample_value
        assert sample("controller_runtime_active_workers", labels) == 0
        assert sample("controller_runtime_max_concurrent_reconciles", labels) == 1
        assert sample("controller_runtime_reconcile_total", {**labels, "result": "error"}) == 0
        queue.add(ONE)
        await at_work.wait()
        assert sample("controller_runtime_active_workers", labels) == 1
        go_on.set()
        while queue.running:  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.005)
        assert sample("controller_runtime_active_workers", labels) == 0


# As controller-runtime 0.25 tells them at /metrics of a manager, beside what the process itself uses.
OF_CONTROLLER_RUNTIME = {
    "controller_runtime_active_workers": "gauge",
    "controller_runtime_max_concurrent_reconciles": "gauge",
    "controller_runtime_reconcile_total": "counter",
    "controller_runtime_reconcile_errors_total": "counter",
    "controller_runtime_reconcile_time_seconds": "histogram",
    "leader_election_master_status": "gauge",
    "rest_client_requests_total": "counter",
    "workqueue_adds_total": "counter",
    "workqueue_depth": "gauge",
    "workqueue_longest_running_processor_seconds": "gauge",
    "workqueue_queue_duration_seconds": "histogram",
    "workqueue_retries_total": "counter",
    "workqueue_unfinished_work_seconds": "gauge",
    "workqueue_work_duration_seconds": "histogram",
}


def test_names_and_types_are_controller_runtimes():
    telemetry = Telemetry()
    build_metrics(telemetry, workers=8)
    types = dict(re.findall(r"^# TYPE (\S+) (\S+)$", telemetry.render().decode(), re.MULTILINE))
    assert "process_resident_memory_bytes" in types
    others = {name for name in types if name.startswith(("vmcp_operator_", "process_")) or name.endswith("_created")}
    assert {name: kind for name, kind in types.items() if name not in others} == OF_CONTROLLER_RUNTIME
