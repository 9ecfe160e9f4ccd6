"""Who says how many pods run: the resource, or whoever gave the Deployment a number of its own (ADR-0005)."""

from typing import Final

from vmcp_api.kinds.pods import DEFAULT_REPLICAS
from vmcp_operator.plan.kinds import Manifest

_MANAGER: Final = "vmcp-operator"


def desired_replicas(wanted: int, live: Manifest | None) -> int | None:
    """The number for a Deployment's manifest; None leaves the live one as it is.

    The API server fills the default in where a resource names no number, so that the scale subresource, and with it
    an HPA, has one to read. Nobody asked for that one: it gives way to an HPA on the Deployment or `kubectl scale`.
    """
    if wanted == DEFAULT_REPLICAS and live is not None and _is_held_by_another(live):
        return None
    return wanted


def _is_held_by_another(live: Manifest) -> bool:
    """Whether another field manager set the number last: one that changes it takes the field from all others."""
    return any(
        "f:replicas" in ((entry.get("fieldsV1") or {}).get("f:spec") or {})
        and (entry.get("manager"), entry.get("operation")) != (_MANAGER, "Apply")
        for entry in live["metadata"].get("managedFields") or ()
        if entry.get("subresource") != "status"
    )
