"""What a Lease of `coordination.k8s.io/v1` says, and how one is written."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from vmcp_operator.plan.conditions import format_micro_time
from vmcp_operator.plan.kinds import LEASE, Manifest, Ref

UNHELD: Final = ""
RELEASED_SECONDS: Final = 1
"""What a Lease that nobody holds says of its duration, as client-go writes it: the API server takes no 0."""


@dataclass(frozen=True, slots=True)
class Lease:
    """A Lease as it was read; `seconds` is how long its holder is to be left alone, None where it does not say.

    `acquired` is the text of the time at which its holder got it.
    """

    manifest: Manifest
    version: str
    holder: str
    seconds: int | None
    transitions: int
    acquired: str | None


def read_lease(manifest: Manifest) -> Lease:
    """A Lease from the API server; another program may have left out every field."""
    spec: dict[str, Any] = manifest.get("spec") or {}
    return Lease(
        manifest,
        version=str(manifest["metadata"].get("resourceVersion", "")),
        holder=spec.get("holderIdentity") or UNHELD,
        seconds=spec.get("leaseDurationSeconds"),
        transitions=spec.get("leaseTransitions") or 0,
        acquired=spec.get("acquireTime"),
    )


def claimed(place: Ref, before: Lease | None, holder: str, seconds: int, now: datetime) -> Manifest:
    """The Lease with a holder, or with `UNHELD`; `now` is for people, no decision is made by it."""
    is_renewal = before is not None and before.holder == holder
    transitions = 0 if before is None else before.transitions + (not is_renewal and holder != UNHELD)
    spec = {
        "holderIdentity": holder,
        "leaseDurationSeconds": seconds,
        "acquireTime": before.acquired
        if before is not None and is_renewal and before.acquired
        else format_micro_time(now),
        "renewTime": format_micro_time(now),
        "leaseTransitions": transitions,
    }
    if before is None:
        metadata: dict[str, Any] = {"name": place.name, "namespace": place.namespace}
        return {"apiVersion": LEASE.api_version, "kind": LEASE.name, "metadata": metadata, "spec": spec}
    return {**before.manifest, "spec": {**(before.manifest.get("spec") or {}), **spec}}
