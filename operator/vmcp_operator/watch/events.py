"""What an event of the API server says (ADR-0002): names, never content."""

from collections.abc import Mapping
from typing import Any

from vmcp_operator.plan.kinds import OWN, Kind, Ref
from vmcp_operator.plan.objects.naming import owner_key
from vmcp_operator.reconcile.dependents import Change


def read_change(kind: Kind, manifest: Mapping[str, Any], *, is_listed: bool = False) -> Change:
    """Which object it is, whose child, which group it names; of foreign kinds the metadata is enough.

    What was listed has no version, so that it is never taken for an echo: much may have happened before the list.
    """
    metadata = manifest["metadata"]
    namespace = metadata["namespace"]
    owner = None if kind in OWN else owner_key(namespace, metadata.get("labels") or {})
    group = ((manifest.get("spec") or {}).get("groupRef") or {}).get("name") if kind in OWN else None
    version = "" if is_listed else str(metadata.get("resourceVersion", ""))
    return Change(Ref(kind, namespace, metadata["name"]), owner, group, version)
