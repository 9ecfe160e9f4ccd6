"""What the status says of a resource that cannot be reconciled."""

from datetime import datetime
from typing import Any, Final

from vmcp_api.kinds.status import StatusModel
from vmcp_operator.plan.conditions import Finding, build_conditions
from vmcp_operator.plan.kinds import Manifest
from vmcp_operator.plan.status import dump_status
from vmcp_operator.plan.world import Status

RECONCILE_FAILED: Final = "ReconcileFailed"
_MESSAGE_LIMIT: Final = 4096


def failed_status(status_type: type[StatusModel], manifest: Manifest, message: str, now: datetime) -> Status:
    """The status as it is, but for `Ready`, which nobody can tell.

    The phase and the generation that it speaks of stay: what was served is served on.
    """
    status: dict[str, Any] = manifest.get("status") or {}
    conditions = status.get("conditions") or ()
    generation = manifest["metadata"].get("generation", 0)
    finding = Finding.unknown("Ready", RECONCILE_FAILED, message[:_MESSAGE_LIMIT])
    ready = map(dump_status, build_conditions((finding,), conditions, now, generation))
    said = {"message": finding.message} if "message" in status_type.model_fields else {}
    return {**status, **said, "conditions": [*(each for each in conditions if each["type"] != "Ready"), *ready]}


def has_failed(status: Status) -> bool:
    """Whether a status says that its resource could not be reconciled."""
    return any(
        each["type"] == "Ready" and each["reason"] == RECONCILE_FAILED for each in status.get("conditions") or ()
    )
