"""What an event of the API server says (ADR-0002): names, never content."""

from collections.abc import Mapping
from typing import Any

from vmcp_operator.plan.controllers import controller_of
from vmcp_operator.plan.kinds import RECONCILED, Kind, Ref
from vmcp_operator.plan.objects.naming import owner_key
from vmcp_operator.reconcile.dependents import Change


def read_change(kind: Kind, manifest: Mapping[str, Any], *, is_listed: bool = False) -> Change:
    """Which object it is, whose child, what it points to; of foreign kinds the metadata is enough.

    What was listed has no version, so that it is never taken for an echo: much may have happened before the list.
    """
    metadata = manifest["metadata"]
    ref = Ref(kind, metadata["namespace"], metadata["name"])
    version = "" if is_listed else str(metadata.get("resourceVersion", ""))
    if kind in RECONCILED:
        return Change(ref, points_to=controller_of(kind).points_to(manifest), version=version)
    return Change(ref, owner_key(ref.namespace, metadata.get("labels") or {}), version=version)
