"""Keeps the live number of replicas when the manifest stops naming one (ADR-0005)."""

from typing import Final

from vmcp_operator.plan.kinds import Manifest, ref_of
from vmcp_operator.plan.world import World

REPLICAS_MANAGER: Final = "vmcp-operator-replicas"
"""Field manager that holds a number of replicas which nobody else has taken yet."""

_MANAGER: Final = "vmcp-operator"


def build_handover(world: World, deployment: Manifest) -> Manifest | None:
    """A manifest with the live number, to be applied under the other manager before ours lets go of the field.

    Without it the API server would fill the field with its default, 1, as soon as nobody owns it.
    """
    live = world.children.get(ref_of(deployment))
    if live is None or "replicas" in deployment["spec"] or not _owns_replicas(live):
        return None
    metadata = deployment["metadata"]
    return {
        "apiVersion": deployment["apiVersion"],
        "kind": deployment["kind"],
        "metadata": {"name": metadata["name"], "namespace": metadata["namespace"]},
        "spec": {"replicas": live["spec"].get("replicas", 1)},
    }


def _owns_replicas(live: Manifest) -> bool:
    return any(
        entry.get("manager") == _MANAGER
        and entry.get("operation") == "Apply"
        and "f:replicas" in ((entry.get("fieldsV1") or {}).get("f:spec") or {})
        for entry in live["metadata"].get("managedFields") or ()
    )
