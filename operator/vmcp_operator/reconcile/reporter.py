"""Writes a status when it differs, and an Event when the phase changes."""

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Final
from uuid import uuid4

from vmcp_api.kinds.status import StatusModel
from vmcp_operator.cluster import Cluster
from vmcp_operator.errors import ClusterError
from vmcp_operator.logs import log_event
from vmcp_operator.plan.conditions import PhaseReason, format_micro_time, phase_of
from vmcp_operator.plan.controllers import controller_of
from vmcp_operator.plan.failure import RECONCILE_FAILED, failed_status, has_failed
from vmcp_operator.plan.kinds import EVENT, Manifest, Ref
from vmcp_operator.plan.status import dump_status
from vmcp_operator.plan.world import Status, World
from vmcp_operator.reconcile.dependents import Change

PACE: Final = 5.0
"""Seconds between two writes of one status whose phase stays."""

RELIEFS: Final = 4
"""Changes for the better that one generation of a resource is told of in `RELIEF_SECONDS`; worse ones are told at once.

Whatever flaps, its writes and Events are bounded by it: it can only get worse again after it got better.
"""

RELIEF_SECONDS: Final = 120.0

_RANK: Final = {"Ready": 0, "Valid": 0, "Pending": 1, "Degraded": 2, "Failed": 3}
_NOTE_LIMIT: Final = 1000
_BAD: Final = frozenset({"Failed", "Degraded"})
_TERMINATING: Final = "because it is being terminated"
_GOOD: Final = frozenset({"Ready", "Valid"})

logger = logging.getLogger(__name__)


class Reporter:
    """Writes statuses and Events; `clock` is monotonic, in seconds."""

    def __init__(self, cluster: Cluster, *, clock: Callable[[], float], instance: str) -> None:
        self._cluster: Final = cluster
        self._clock: Final = clock
        self._instance: Final = instance
        self._written: Final[dict[Ref, float]] = {}
        self._versions: Final[dict[Ref, str]] = {}
        self._failures: Final[dict[Ref, str]] = {}
        self._reliefs: Final[dict[Ref, list[float]]] = {}

    async def report(self, world: World, told: StatusModel | None, decided: PhaseReason) -> float | None:
        """Writes the status, None as it is; where it is too early for that, the answer is the seconds to wait.

        Raises:
            ClusterError: the status could not be written.
        """
        self._failures.pop(world.key, None)
        status = world.status if told is None else dump_status(told)
        if status == world.status:
            return None
        is_back = has_failed(world.status)
        changed = phase_of(status) != phase_of(world.status) or is_back
        wait = self._written.get(world.key, -PACE) + PACE - self._clock()
        if wait > 0 and not changed:
            return wait
        is_relief = not is_back and _is_relief(world.status, status)
        if is_relief and (held := self._until_relief(world.key)) > 0:
            return held
        after = await self._cluster.apply_status(_manifest(world.key, status))
        if after is None:
            return None
        self._written[world.key] = self._clock()
        if not _is_of_one_generation(world.status, status):
            self._reliefs.pop(world.key, None)
        if is_relief:
            self._reliefs.setdefault(world.key, []).append(self._clock())
        self._versions.pop(world.key, None)
        if _says_the_same(after, world.manifest):
            self._versions[world.key] = after["metadata"]["resourceVersion"]
        if changed:
            log_event(
                logger,
                logging.INFO,
                "phase changed",
                kind=world.key.kind,
                namespace=world.key.namespace,
                name=world.key.name,
                phase=decided.phase,
                reason=decided.reason,
            )
            # What was good from the start is no news.
            if phase_of(world.status) or decided.phase not in _GOOD:
                await self._post(_event(world.manifest, decided, self._instance, world.now))
        return None

    def _until_relief(self, key: Ref) -> float:
        """Seconds for which a change for the better has to last before it is told."""
        now = self._clock()
        recent = self._reliefs[key] = [each for each in self._reliefs.get(key, ()) if now - each < RELIEF_SECONDS]
        return recent[0] + RELIEF_SECONDS - now if len(recent) >= RELIEFS else 0.0

    async def report_failure(self, key: Ref, message: str) -> None:
        """Says in the status, and once in an Event, that a resource cannot be reconciled; of another's nothing is said.

        Raises:
            ClusterError: the resource cannot even be read.
        """
        if self._failures.get(key) == message:
            return
        manifest = await self._cluster.get(key)
        if manifest is None or manifest["metadata"].get("deletionTimestamp"):
            return
        if not controller_of(key.kind).is_ours(manifest):
            return
        before, now = manifest.get("status") or {}, datetime.now(UTC)
        is_news = key not in self._failures and not has_failed(before)
        self._failures[key] = message
        status = failed_status(controller_of(key.kind).status_type, manifest, message, now)
        if status != before:
            await self._write_failure(key, status)
        if is_news:
            await self._post(_event(manifest, PhaseReason("", RECONCILE_FAILED, message), self._instance, now))

    async def _write_failure(self, key: Ref, status: Status) -> None:
        """The Event is posted all the same where the status may not be written."""
        try:
            await self._cluster.apply_status(_manifest(key, status))
        except ClusterError as error:
            log_event(logger, logging.WARNING, "failure not reported", key=key, error=str(error))

    def forget(self, key: Ref) -> None:
        """The key's resource is gone."""
        self._written.pop(key, None)
        self._versions.pop(key, None)
        self._failures.pop(key, None)
        self._reliefs.pop(key, None)

    def is_echo(self, change: Change) -> bool:
        """Whether the resource was reconciled as it is after this change, which is our own last status."""
        return change.version != "" and self._versions.get(change.ref) == change.version

    async def _post(self, event: Manifest) -> None:
        """An Event is told once and never in the way of the rest."""
        try:
            await self._cluster.create(event)
        except ClusterError as error:
            # A namespace on its way out takes nothing new, and nobody reads there any more.
            is_leaving = error.status == HTTPStatus.NOT_FOUND or _TERMINATING in error.message
            level = logging.DEBUG if is_leaving else logging.WARNING
            log_event(logger, level, "event not posted", error=str(error))


def _manifest(key: Ref, status: Status) -> Manifest:
    return {
        "apiVersion": key.kind.api_version,
        "kind": key.kind.name,
        "metadata": {"name": key.name, "namespace": key.namespace},
        "status": status,
    }


def _is_relief(before: Status, after: Status) -> bool:
    """Whether the phase of one generation changed for the better; an edit is told at once."""
    if not _is_of_one_generation(before, after):
        return False
    return _RANK.get(phase_of(after) or "", 0) < _RANK.get(phase_of(before) or "", 0)


def _is_of_one_generation(before: Status, after: Status) -> bool:
    return bool(before.get("observedGeneration") == after.get("observedGeneration"))


def _says_the_same(after: Manifest, observed: Manifest) -> bool:
    """Whether nobody changed the resource between the reads of its world and the write of its status."""
    kept = ("uid", "generation", "annotations")
    return all(after["metadata"].get(name) == observed["metadata"].get(name) for name in kept)


def _event(manifest: Manifest, decided: PhaseReason, instance: str, now: datetime) -> Manifest:
    metadata = manifest["metadata"]
    regarding: dict[str, Any] = {
        "apiVersion": manifest["apiVersion"],
        "kind": manifest["kind"],
        "namespace": metadata["namespace"],
        "name": metadata["name"],
        "uid": metadata["uid"],
    }
    return {
        "apiVersion": EVENT.api_version,
        "kind": EVENT.name,
        # A name holds at most 253 characters, and that of an MCPGroup may have as many.
        "metadata": {"name": f"{metadata['name'][:200]}.{uuid4().hex[:16]}", "namespace": metadata["namespace"]},
        "eventTime": format_micro_time(now),
        "reportingController": "vmcp.dev/operator",
        "reportingInstance": instance[:128],
        "action": "Reconcile",
        "type": "Warning" if decided.phase in _BAD or decided.reason == RECONCILE_FAILED else "Normal",
        "reason": decided.reason,
        "note": ": ".join(filter(None, (decided.phase, decided.message)))[:_NOTE_LIMIT],
        "regarding": regarding,
    }
