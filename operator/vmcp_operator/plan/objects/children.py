"""Metadata that every child shares."""

from typing import Any

from vmcp_api.base import Json
from vmcp_operator.plan.kinds import Kind, Manifest, Ref
from vmcp_operator.plan.objects.naming import labels


def build_child(
    kind: Kind,
    owner: Ref,
    owner_uid: str,
    name: str,
    annotations: dict[str, str] | None = None,
    **content: Json,
) -> Manifest:
    """A manifest with our labels and an owner reference; `content` are its other top-level fields."""
    metadata: dict[str, Any] = {
        "name": name,
        "namespace": owner.namespace,
        "labels": labels(owner),
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
