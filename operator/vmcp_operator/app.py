"""Composition: builds the operator from its settings and owns every task."""

import asyncio
import logging
import os
import signal
from collections.abc import Callable
from typing import Final

import aiohttp

from vmcp_operator.cluster import Cluster
from vmcp_operator.cluster.kube import connect
from vmcp_operator.cluster.pod_poller import Poller
from vmcp_operator.health import Health, build_app, serve
from vmcp_operator.logs import log_event
from vmcp_operator.plan.kinds import Ref
from vmcp_operator.queue.worker import Resync, Worker
from vmcp_operator.queue.workqueue import WorkQueue
from vmcp_operator.reconcile.apply import Applier
from vmcp_operator.reconcile.dependents import Change, Dependents
from vmcp_operator.reconcile.observe import Observer
from vmcp_operator.reconcile.reconciler import Reconciler
from vmcp_operator.reconcile.reporter import Reporter
from vmcp_operator.settings import Settings
from vmcp_operator.telemetry import Telemetry
from vmcp_operator.watch import Watch

logger = logging.getLogger(__name__)


class Operator:
    """Everything that works on one cluster; `run` ends by cancellation or by the first crash."""

    def __init__(self, settings: Settings, cluster: Cluster, http: aiohttp.ClientSession) -> None:
        clock = asyncio.get_running_loop().time
        self._settings: Final = settings
        self.telemetry: Final = Telemetry()
        self.queue: Final[WorkQueue[Ref]] = WorkQueue()
        self.telemetry.observe_queue(lambda: len(self.queue), lambda: self.queue.adds, lambda: self.queue.retries)
        dependents = Dependents()
        reporter = self._reporter = Reporter(cluster, clock=clock, instance=settings.instance)
        self._poller: Final = Poller(http, self.queue.add, interval=settings.poll)
        self._watch: Final = Watch(
            settings.scope, build_sink(dependents, reporter, self.queue), self.telemetry, cluster.missing
        )
        self.health: Final = Health(clock, lambda: self._watch.problems)
        self._reconciler: Final = Reconciler(
            Observer(cluster, self._poller, settings.pods),
            Applier(cluster, entropy=os.urandom),
            reporter,
            dependents,
            self._poller,
        )
        self._resync: Final = Resync(
            cluster, settings.scope, self.queue, self.health, self.telemetry, interval=settings.resync
        )

    async def run(self) -> None:
        """Works until cancelled."""
        worker = Worker(
            self.queue, self._reconciler.reconcile, self.telemetry, self.health, self._reporter.report_failure
        )
        app = build_app(self.health, self.telemetry)
        try:
            async with serve(app, self._settings.host, self._settings.port) as port, asyncio.TaskGroup() as group:
                log_event(logger, logging.INFO, "operator started", port=port, scope=self._settings.scope.namespaces)
                group.create_task(self._watch.run())
                group.create_task(self._poller.run())
                group.create_task(self._resync.run())
                for _ in range(self._settings.workers):
                    group.create_task(worker.run())
        finally:
            self.queue.close()


async def run(settings: Settings) -> None:
    """Runs the operator until SIGTERM or SIGINT."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with connect(settings.kubeconfig) as cluster, aiohttp.ClientSession(trust_env=False) as http:
        operator = Operator(settings, cluster, http)
        work = asyncio.create_task(operator.run())
        stopped = asyncio.create_task(stop.wait())
        await asyncio.wait({work, stopped}, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if stop.is_set():
            log_event(logger, logging.INFO, "operator stops")
            work.cancel()
        try:
            await work
        except asyncio.CancelledError:
            if not stop.is_set():
                raise


def build_sink(dependents: Dependents, reporter: Reporter, queue: WorkQueue[Ref]) -> Callable[[Change], None]:
    """What becomes of a change: its keys are added; a status that we wrote wakes everybody but its own resource.

    The others are woken, as the watch tells only the last of several changes in a row: an earlier one, which was
    about them, may hide behind our status.
    """

    def sink(change: Change) -> None:
        own = {change.ref} if reporter.is_echo(change) else set()
        for key in dependents.keys_of(change) - own:
            queue.add(key)

    return sink
