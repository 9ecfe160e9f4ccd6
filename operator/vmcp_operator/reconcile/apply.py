"""Carries a plan out: writes what differs and nothing else."""

import base64
import logging
from collections.abc import Callable
from typing import Final

from vmcp_api.session_keys import FIRST_KEY_ID
from vmcp_operator.cluster import Cluster
from vmcp_operator.errors import Denied, Rejected
from vmcp_operator.logs import log_event
from vmcp_operator.plan.diff import needs_apply
from vmcp_operator.plan.kinds import Manifest, Ref, ref_of
from vmcp_operator.plan.objects.naming import STAMP
from vmcp_operator.plan.world import Outcome, Plan, Refused, Stamp, World
from vmcp_operator.reconcile.ownership import may_write

KEY_BYTES: Final = 32

logger = logging.getLogger(__name__)


class Applier:
    """Writes to the API server; `entropy` yields the bytes of new session keys."""

    def __init__(self, cluster: Cluster, *, entropy: Callable[[int], bytes]) -> None:
        self._cluster: Final = cluster
        self._entropy: Final = entropy

    async def apply(self, world: World, plan: Plan) -> Outcome:
        """What became of the plan; what is refused ends the writing of children, where later ones need the earlier.

        Raises:
            ClusterError: the API server cannot be written to now.
        """
        children = dict(world.children)
        refused = await self._write(world, plan, children)
        for stamp in plan.stamps:
            await self._stamp(stamp)
        return Outcome(children, tuple(refused))

    async def _write(self, world: World, plan: Plan, children: dict[Ref, Manifest]) -> list[Refused]:
        """Keys and children, then what is no longer wanted; `children` becomes what there is now."""
        if refusal := await self._prepare(plan):
            return [refusal]
        refused: list[Refused] = []
        for manifest in plan.apply:
            ref = ref_of(manifest)
            result = await self._apply(world, ref, manifest)
            if isinstance(result, Refused):
                refused.append(result)
                if not plan.is_loose:
                    return refused
            elif result is not None:
                children[ref] = result
        for ref, uid in plan.prune:
            try:
                await self._cluster.delete(ref, uid)
            except (Rejected, Denied) as error:
                refused.append(_refusal(ref, error))
            else:
                children.pop(ref, None)
        return refused

    async def _prepare(self, plan: Plan) -> Refused | None:
        """Posts the keys."""
        if plan.keys is not None:
            key = base64.b64encode(self._entropy(KEY_BYTES)).decode()
            try:
                await self._cluster.create({**plan.keys, "data": {FIRST_KEY_ID: key}})
            except (Rejected, Denied) as error:
                return _refusal(ref_of(plan.keys), error)
        return None

    async def _stamp(self, stamp: Stamp) -> None:
        """A stamp only makes the kubelet faster: where it is refused, the rest goes on."""
        try:
            await self._cluster.annotate(stamp.pod, {STAMP: stamp.value})
        except (Rejected, Denied) as error:
            log_event(logger, logging.WARNING, "pod not stamped", error=str(error))

    async def _apply(self, world: World, ref: Ref, manifest: Manifest) -> Manifest | Refused | None:
        live = world.children.get(ref)
        if live is not None and not may_write(live, world.key, world.uid):
            message = f"it exists and is not owned by this {world.key.kind}; delete it, or rename one of the two"
            return Refused(ref, message, is_rejected=False)
        if not needs_apply(manifest, live):
            return None
        try:
            applied = await self._cluster.apply(manifest)
        except (Rejected, Denied) as error:
            return _refusal(ref, error)
        log_event(logger, logging.INFO, "applied", kind=ref.kind, namespace=ref.namespace, name=ref.name)
        return applied


def _refusal(ref: Ref, error: Rejected | Denied) -> Refused:
    return Refused(ref, error.message, isinstance(error, Rejected))
