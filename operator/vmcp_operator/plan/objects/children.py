"""What every child shares: its metadata, and when it goes."""

from collections.abc import Collection, Iterable
from typing import Any

from vmcp_api.base import Json
from vmcp_operator.plan.kinds import Kind, Manifest, Ref, ref_of
from vmcp_operator.plan.objects.naming import labels
from vmcp_operator.plan.world import World


def build_child(
    kind: Kind,
    owner: Ref,
    owner_uid: str,
    name: str,
    annotations: dict[str, str] | None = None,
    **content: Json,
) -> Manifest:
    """A manifest with our labels and an owner reference; `content` are its other top-level fields."""
    return build_owned(kind, owner, owner_uid, name, labels(owner), annotations, **content)


def build_owned(
    kind: Kind,
    owner: Ref,
    owner_uid: str,
    name: str,
    own_labels: dict[str, str],
    annotations: dict[str, str] | None = None,
    **content: Json,
) -> Manifest:
    """As `build_child`, with other labels: of an owner whose name may be longer than a label's value."""
    metadata: dict[str, Any] = {
        "name": name,
        "namespace": owner.namespace,
        "labels": own_labels,
        "ownerReferences": [
            {
                "apiVersion": owner.kind.api_version,
                "kind": owner.kind.name,
                "name": owner.name,
                "uid": owner_uid,
                "controller": True,
                "blockOwnerDeletion": True,
            }
        ],
    }
    if annotations:
        metadata["annotations"] = annotations
    return {"apiVersion": kind.api_version, "kind": kind.name, "metadata": metadata, **content}


def find_stale(world: World, wanted: Iterable[Manifest], kinds: Collection[Kind]) -> tuple[tuple[Ref, str], ...]:
    """Children of some kinds, with their uids, that are there and no longer wanted; only our own are deleted."""
    kept = {ref_of(manifest) for manifest in wanted}
    return tuple(
        (ref, live["metadata"]["uid"])
        for ref, live in world.children.items()
        if ref.kind in kinds and ref not in kept and is_owned(live, world.uid)
    )


def is_owned(live: Manifest, uid: str) -> bool:
    """Whether an object belongs to the resource of that uid."""
    return any(owner.get("uid") == uid for owner in live["metadata"].get("ownerReferences") or ())
