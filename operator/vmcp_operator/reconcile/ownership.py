"""Which objects belong to a resource, proved by the uids of their controllers."""

from collections.abc import Iterable

from vmcp_operator.plan.kinds import Manifest, Ref
from vmcp_operator.plan.objects.naming import owner_key


def controller_uid(manifest: Manifest) -> str | None:
    """The uid of the object that controls this one."""
    owners = manifest["metadata"].get("ownerReferences") or ()
    return next((owner["uid"] for owner in owners if owner.get("controller")), None)


def own_pods(workloads: Iterable[Manifest], sets: Iterable[Manifest], pods: Iterable[Manifest]) -> tuple[Manifest, ...]:
    """The pods behind a resource's workloads; labels alone prove nothing, as everybody may write them."""
    uids = {each["metadata"]["uid"] for each in workloads}
    own = uids | {each["metadata"]["uid"] for each in sets if controller_uid(each) in uids}
    return tuple(pod for pod in pods if controller_uid(pod) in own)


def may_write(live: Manifest, key: Ref, uid: str) -> bool:
    """Whether an object of a child's name is ours to write: controlled by the resource, or left behind by one."""
    controller = controller_uid(live)
    if controller is not None:
        return controller == uid
    return owner_key(key.namespace, live["metadata"].get("labels") or {}) == key
