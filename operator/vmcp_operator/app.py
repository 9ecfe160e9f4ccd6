"""Composition: builds the operator from its settings and owns every task."""

import asyncio
import logging
import os
import signal
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

import aiohttp

from vmcp_operator.cluster import Cluster
from vmcp_operator.cluster.kube import KubeCluster, connect
from vmcp_operator.cluster.pod_poller import Poller
from vmcp_operator.health import Health, Standby, build_app, serve
from vmcp_operator.leader.candidate import Candidate
from vmcp_operator.leader.elector import Elector
from vmcp_operator.leader.fence import Fenced
from vmcp_operator.logs import log_event
from vmcp_operator.plan.kinds import ENTRY, RECONCILED, VMCP, Kind, Ref
from vmcp_operator.queue.metrics import QueueMetrics
from vmcp_operator.queue.worker import Resync, Worker, controller_name
from vmcp_operator.queue.workqueue import WorkQueue
from vmcp_operator.reconcile.apply import Applier
from vmcp_operator.reconcile.claims import Claims
from vmcp_operator.reconcile.dependents import Change, Dependents
from vmcp_operator.reconcile.observe import Observer
from vmcp_operator.reconcile.reconciler import Reconciler
from vmcp_operator.reconcile.reporter import Reporter
from vmcp_operator.settings import Settings
from vmcp_operator.telemetry import Telemetry
from vmcp_operator.watch import Watch

_PATIENCE: Final[Mapping[Kind, float]] = {VMCP: 0.0, ENTRY: 60.0}
_PATIENCE_OF_OTHERS: Final = 20.0

IN_A_ROW_SECONDS: Final = 0.5
"""How late a resource hears of its children, and others of a status that we wrote: those come many in a row."""

logger = logging.getLogger(__name__)


class Term:
    """All the work on one cluster, from nothing: an operator that leads again has forgotten what it knew before."""

    def __init__(
        self,
        settings: Settings,
        cluster: Cluster,
        http: aiohttp.ClientSession,
        telemetry: Telemetry,
        metrics: QueueMetrics[Ref],
    ) -> None:
        clock = asyncio.get_running_loop().time
        self._settings: Final = settings
        self._telemetry: Final = telemetry
        self.queue: Final[WorkQueue[Ref]] = WorkQueue(metrics=metrics, patience=patience_of)
        dependents = Dependents()
        reporter = self._reporter = Reporter(cluster, clock=clock, instance=settings.instance)
        self._poller: Final = Poller(http, self.queue.add, interval=settings.poll)
        self._watch: Final = Watch(
            settings.scope, build_sink(dependents, reporter, self.queue), telemetry, cluster.missing, cluster.peek
        )
        self.health: Final = Health(clock, lambda: self._watch.problems)
        self._reconciler: Final = Reconciler(
            Observer(cluster, self._poller, settings.pods),
            Applier(cluster, entropy=os.urandom),
            reporter,
            dependents,
            self._poller,
            Claims(cluster, yields=settings.scope.is_cluster),
        )
        self._resync: Final = Resync(
            cluster, settings.scope, self.queue, self.health, telemetry, interval=settings.resync
        )

    async def run(self) -> None:
        """Works until cancelled, or until the first crash."""
        worker = Worker(
            self.queue, self._reconciler.reconcile, self._telemetry, self.health, self._reporter.report_failure
        )
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._watch.run())
                group.create_task(self._poller.run())
                group.create_task(self._resync.run())
                for _ in range(self._settings.workers):
                    group.create_task(worker.run())
        finally:
            self.queue.close()


class Operator:
    """One process: answers probes and scrapes, and works while it leads; `run` ends by cancellation or a crash."""

    def __init__(
        self, settings: Settings, cluster: KubeCluster, http: aiohttp.ClientSession, telemetry: Telemetry
    ) -> None:
        self._settings: Final = settings
        self._cluster: Final = cluster
        self._http: Final = http
        self._telemetry: Final = telemetry
        self._metrics: Final = build_metrics(telemetry, settings.workers)
        election = settings.election
        self._elector: Final = (
            None
            if election is None
            else Elector(cluster, election.place, Candidate(election.identity, election.timing), self._telemetry)
        )
        self._standby: Final = Standby(tuple if self._elector is None else self._elector.problems)

    async def run(self) -> None:
        """Works until cancelled."""
        app = build_app(self._standby, self._telemetry)
        async with serve(app, self._settings.host, self._settings.port) as port:
            log_event(logger, logging.INFO, "operator started", port=port, scope=self._settings.scope.namespaces)
            if self._elector is None:
                await self._work(self._cluster)
            else:
                fenced = Fenced(self._cluster, self._elector.leads)
                await self._elector.run(partial(self._work, fenced), fenced.settled)

    async def _work(self, cluster: Cluster) -> None:
        term = Term(self._settings, cluster, self._http, self._telemetry, self._metrics)
        self._standby.work = term.health
        try:
            await term.run()
        finally:
            self._standby.work = None


async def run(settings: Settings) -> None:
    """Runs the operator until SIGTERM or SIGINT."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    telemetry = Telemetry()
    async with (
        connect(settings.kubeconfig, telemetry.on_request) as cluster,
        aiohttp.ClientSession(trust_env=False) as http,
    ):
        operator = Operator(settings, cluster, http, telemetry)
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


def build_metrics(telemetry: Telemetry, workers: int) -> QueueMetrics[Ref]:
    """The metrics of the queue, with a zero for every controller, here and in the rest."""
    controllers = [kind.name.lower() for kind in RECONCILED]
    telemetry.expect(controllers, workers)
    metrics = QueueMetrics[Ref](telemetry.registry, controller_name)
    for controller in controllers:
        metrics.expect(controller)
    return metrics


def patience_of(key: Ref) -> float:
    """Seconds for which a key lets others go before: endpoints serve, and an entry has nothing but a status."""
    return _PATIENCE.get(key.kind, _PATIENCE_OF_OTHERS)


def build_sink(dependents: Dependents, reporter: Reporter, queue: WorkQueue[Ref]) -> Callable[[Change], None]:
    """What becomes of a change: its keys are added; a status that we wrote wakes everybody but its own resource.

    A resource hears of its children a little later, and so do those others. They are woken as the watch tells only the
    last of several changes in a row: an earlier one, which was about them, may hide behind our status.
    """

    def sink(change: Change) -> None:
        is_echo = reporter.is_echo(change)
        for key in dependents.keys_of(change):
            if key == change.owner or (is_echo and key != change.ref):
                queue.add_after(key, IN_A_ROW_SECONDS)
            elif not is_echo:
                queue.add(key)

    return sink
