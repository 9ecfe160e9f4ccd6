"""One idempotent step for one key: observe, plan, apply, report (ADR-0004)."""

from typing import Final, Protocol

from vmcp_operator.plan.controller import Read
from vmcp_operator.plan.controllers import controller_of
from vmcp_operator.plan.kinds import Ref
from vmcp_operator.plan.world import Target, World
from vmcp_operator.reconcile.apply import Applier
from vmcp_operator.reconcile.claims import ELSEWHERE, Claims, Elsewhere
from vmcp_operator.reconcile.dependents import Dependents
from vmcp_operator.reconcile.observe import Observer
from vmcp_operator.reconcile.reporter import Reporter

REFUSED_SECONDS: Final = 30.0
"""After a refusal: what was in the way (a quota, a foreign object, a webhook) tells nobody when it is gone.

So it is after a read that was refused and done without.
"""


class PodWatch(Protocol):
    """Who asks the pods: those of a key, and the config hash that they should report."""

    def watch(self, key: Ref, targets: tuple[Target, ...], digest: str | None) -> None: ...

    def forget(self, key: Ref) -> None: ...


class Reconciler:
    """Brings the cluster closer to what one resource asks for; safe to call at any time, as often as one likes."""

    def __init__(
        self,
        observer: Observer,
        applier: Applier,
        reporter: Reporter,
        dependents: Dependents,
        pods: PodWatch,
        claims: Claims,
    ) -> None:
        self._observer: Final = observer
        self._applier: Final = applier
        self._reporter: Final = reporter
        self._dependents: Final = dependents
        self._pods: Final = pods
        self._claims: Final = claims

    async def reconcile(self, key: Ref) -> float | None:
        """One step; the answer is when to come back, in seconds, None for not before something changes.

        Raises:
            ClusterError: the API server failed; try again later.
        """
        controller, reads = controller_of(key.kind), set[Read]()
        world = await self._observe(key, reads)
        if world is None or world is ELSEWHERE:
            self._pods.forget(key)
            self._reporter.forget(key)
        if world is None:
            self._dependents.forget(key)
            return None
        was_outrun = self._dependents.declare(key, reads)
        if world is ELSEWHERE:
            return 0.0 if was_outrun else None
        planned = controller.plan(world)
        if (poll := planned.plan.poll) is not None:
            self._pods.watch(key, poll.targets, poll.digest)
        outcome = await self._applier.apply(world, planned.plan)
        status, decided = controller.status(world, planned, outcome)
        pause = await self._reporter.report(world, status, decided)
        if was_outrun:
            return 0.0
        again = REFUSED_SECONDS if outcome.refused or world.unread else None
        return min(
            (each for each in (pause, planned.plan.requeue, decided.again, again) if each is not None), default=None
        )

    async def _observe(self, key: Ref, reads: set[Read]) -> World | Elsewhere | None:
        """The world of a key, None where it is gone; what was read before a failure wakes it too."""
        self._dependents.begin(key)
        try:
            if await self._claims.is_taken(key.namespace, reads):
                return ELSEWHERE if await self._observer.exists(key) else None
            return await self._observer.observe(key, reads)
        except BaseException:
            self._dependents.extend(key, reads)
            raise
