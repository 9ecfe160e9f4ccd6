"""What every object has: its type, its metadata, its status."""

from typing import Final

from vmcp_api.convert.draft import Draft
from vmcp_api.manifests.problems import Loc
from vmcp_api.naming import API_VERSION

_WRITTEN_BY_SERVER: Final = (
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "generation",
    "managedFields",
    "resourceVersion",
    "selfLink",
    "uid",
)
_METADATA: Final[Loc] = ("metadata",)
_LAST_APPLIED: Final[Loc] = (*_METADATA, "annotations", "kubectl.kubernetes.io/last-applied-configuration")


def convert_type(draft: Draft, kind: str) -> None:
    """Makes it an object of ours, without what only the cluster knew of it."""
    draft.put(("apiVersion",), ("apiVersion",), API_VERSION, "is the API group of vmcp")
    if draft.get("kind") != kind:
        draft.put(("kind",), ("kind",), kind, f"is an {kind} here" if kind[0] in "AEIOUM" else f"is a {kind} here")
    for key in _WRITTEN_BY_SERVER:
        draft.drop((*_METADATA, key), "is written by the API server")
    draft.drop(_LAST_APPLIED, "is written by kubectl")
    draft.drop((*_METADATA, "finalizers"), "nobody would take it away here, and a deletion would wait for it")
    draft.drop((*_METADATA, "ownerReferences"), "is about an object of the API server that had it")
    draft.drop(("status",), "is written by the operator")
