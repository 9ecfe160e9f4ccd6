"""Takes keys from the queue and reconciles them; lists every key now and then."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

from vmcp_operator.cluster import Cluster
from vmcp_operator.cluster.concurrently import concurrently
from vmcp_operator.errors import ClusterError, Conflict, Unavailable
from vmcp_operator.health import Health
from vmcp_operator.logs import describe, log_event
from vmcp_operator.plan.kinds import OWN, RECONCILED, Manifest, Ref, ref_of
from vmcp_operator.queue.workqueue import WorkQueue
from vmcp_operator.telemetry import ERROR, REQUEUE_AFTER, SUCCESS, Telemetry
from vmcp_operator.watch import Scope

RECONCILE_SECONDS: Final = 120.0
TELL_SECONDS: Final = 30.0
RESYNC_RETRY_SECONDS: Final = 10.0

logger = logging.getLogger(__name__)


def controller_name(key: Ref) -> str:
    """How controller-runtime would call who works on this key."""
    return key.kind.name.lower()


class Worker:
    """One of several that work on the same queue."""

    def __init__(
        self,
        queue: WorkQueue[Ref],
        reconcile: Callable[[Ref], Awaitable[float | None]],
        telemetry: Telemetry,
        health: Health,
        report_failure: Callable[[Ref, str], Awaitable[None]],
    ) -> None:
        self._queue: Final = queue
        self._reconcile: Final = reconcile
        self._report_failure: Final = report_failure
        self._telemetry: Final = telemetry
        self._health: Final = health

    async def run(self) -> None:
        """Works until cancelled."""
        while True:
            key = await self._queue.get()
            self._health.began[key] = self._health.clock()
            try:
                await self._work(key)
            finally:
                del self._health.began[key]
                self._queue.done(key)

    async def _work(self, key: Ref) -> None:
        """One reconcile; a failure of one key never ends the work on the others."""
        controller = controller_name(key)
        began = self._health.clock()
        result = ERROR
        self._telemetry.active.labels(controller).inc()
        try:
            async with asyncio.timeout(RECONCILE_SECONDS):
                pause = await self._reconcile(key)
            self._queue.forget(key)
            result = SUCCESS if pause is None else REQUEUE_AFTER
            if pause is not None:
                self._queue.add_after(key, pause)
        except (Unavailable, Conflict) as error:
            self._retry(key, controller, str(error))
        except ClusterError as error:
            self._retry(key, controller, str(error))
            await self._tell(key, str(error))
        except Exception as error:  # noqa: BLE001 - one odd object must not stop the others; it is told and retried
            self._retry(key, controller, describe(error))
            await self._tell(key, f"the operator failed on it ({type(error).__name__}); its log tells where")
        finally:
            seconds = self._health.clock() - began
            self._telemetry.active.labels(controller).dec()
            self._telemetry.reconciles.labels(controller, result).inc()
            self._telemetry.seconds.labels(controller).observe(seconds)
            log_event(logger, logging.DEBUG, "reconciled", key=key, result=result, seconds=round(seconds, 4))

    def _retry(self, key: Ref, controller: str, error: str) -> None:
        self._telemetry.errors.labels(controller).inc()
        wait = self._queue.retry(key)
        log_event(logger, logging.ERROR, "reconcile failed", key=key, error=error, again_in=round(wait, 2))

    async def _tell(self, key: Ref, message: str) -> None:
        """What stays in the way is told to the resource's owner; what passes by itself is not."""
        try:
            async with asyncio.timeout(TELL_SECONDS):
                await self._report_failure(key, message)
        except ClusterError as error:
            log_event(logger, logging.ERROR, "failure not reported", key=key, error=str(error))
        except Exception as error:  # noqa: BLE001 - an object so odd that not even that can be said of it
            log_event(logger, logging.ERROR, "failure not reported", key=key, error=describe(error))


class Resync:
    """Adds every key of the scope at the start and again every `interval` seconds: the net under the watch."""

    def __init__(
        self,
        cluster: Cluster,
        scope: Scope,
        queue: WorkQueue[Ref],
        health: Health,
        telemetry: Telemetry,
        *,
        interval: float,
    ) -> None:
        self._cluster: Final = cluster
        self._scope: Final = scope
        self._queue: Final = queue
        self._health: Final = health
        self._telemetry: Final = telemetry
        self._interval: Final = interval

    async def run(self) -> None:
        """Lists until cancelled."""
        while True:
            try:
                await self._list()
                self._health.is_synced = True
                pause = self._interval
            except ClusterError as error:
                self._telemetry.resync_errors.inc()
                log_event(logger, logging.ERROR, "resync failed", error=str(error))
                pause = min(RESYNC_RETRY_SECONDS, self._interval)
            await asyncio.sleep(pause)

    async def _list(self) -> None:
        namespaces = self._scope.namespaces or ("",)
        lists = await concurrently(self._cluster.list(kind, namespace) for namespace in namespaces for kind in OWN)
        self._add(lists)
        foreign = tuple(kind for kind in self._scope.optional if kind in RECONCILED)
        try:
            unknown = await self._cluster.missing(foreign) if foreign else ()
            known = tuple(kind for kind in foreign if kind not in unknown)
            self._add(await concurrently(self._cluster.list(kind, each) for each in namespaces for kind in known))
        except ClusterError as error:
            # The watch looks for them every half minute, and lists them when it may.
            log_event(logger, logging.WARNING, "kinds of another operator not listed", error=str(error))

    def _add(self, lists: Iterable[tuple[Manifest, ...]]) -> None:
        for items in lists:
            for manifest in items:
                self._queue.add(ref_of(manifest))
