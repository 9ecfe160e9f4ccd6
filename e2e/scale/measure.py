"""One run: a fleet that waits for an operator, the operator's cold start, its idle hours, and its restart."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from e2e.scale.api import Api
from e2e.scale.fleet import Fleet
from e2e.scale.process import OperatorProcess
from e2e.scale.simulated import SimulatedNode

QUIET_SECONDS = 5.0
PATIENCE = 600.0


@dataclass(frozen=True, slots=True)
class Found:
    """What a run found: seconds since the operator's exec, bytes, and the share of one core.

    `told` is when each endpoint had a status, `ready` when each was Ready, `again` when a second operator had looked
    at everything, of which `again_writes` tells the writes. `idle_*` are of the time between the two.
    """

    told: float
    ready: float
    writes: float
    cpu_seconds: float
    idle_seconds: float
    idle_writes: float
    idle_reconciles: float
    idle_share: float
    rss: int
    peak: int
    again: float
    again_writes: float
    again_peak: int
    load: float


@asynccontextmanager
async def simulated(api: Api) -> AsyncIterator[None]:
    """A node whose pods run as far as the API server is told."""
    node = SimulatedNode(api)
    task = asyncio.create_task(node.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})
        await node.leave()


async def measure(kubeconfig: Path, fleet: Fleet, namespace: str, log: Path, idle_seconds: float) -> Found:
    """The whole run on a cluster with the CRDs; `namespace` is where the operator's Lease is.

    Raises:
        TimeoutError: the fleet did not come to it.
    """
    load = os.getloadavg()[0]
    async with Api.connected(kubeconfig) as api, simulated(api), asyncio.timeout(PATIENCE + idle_seconds):
        try:
            await fleet.create(api)
            async with OperatorProcess.running(kubeconfig, namespace, log) as operator:
                clock = asyncio.get_running_loop().time
                await fleet.until_told(api)
                told = clock() - operator.began
                await fleet.until_told(api, "Ready")
                ready = clock() - operator.began
                await operator.until_quiet(QUIET_SECONDS)
                spent, writes, reconciles = operator.cpu, await operator.writes(), await operator.reconciles()
                await asyncio.sleep(idle_seconds)
                idle_share = (operator.cpu - spent) / idle_seconds
                idle_writes = await operator.writes() - writes
                idle_reconciles = await operator.reconciles() - reconciles
                rss, peak = operator.rss, operator.peak
            async with OperatorProcess.running(kubeconfig, namespace, log) as second:
                await second.until_ready()
                again = await second.until_quiet(QUIET_SECONDS)
                again_writes, again_peak = await second.writes(), second.peak
        finally:
            await fleet.remove(api)
    return Found(
        told=told,
        ready=ready,
        writes=writes,
        cpu_seconds=spent,
        idle_seconds=idle_seconds,
        idle_writes=idle_writes,
        idle_reconciles=idle_reconciles,
        idle_share=idle_share,
        rss=rss,
        peak=peak,
        again=again,
        again_writes=again_writes,
        again_peak=again_peak,
        load=load,
    )
