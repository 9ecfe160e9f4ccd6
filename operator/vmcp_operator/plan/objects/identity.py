"""Who the pods are and what they sign with: ServiceAccount and key Secret."""

from vmcp_operator.plan.kinds import SECRET, SERVICE_ACCOUNT, Manifest
from vmcp_operator.plan.objects.children import build_child
from vmcp_operator.plan.objects.naming import keys_name, object_name
from vmcp_operator.plan.world import World


def build_service_account(world: World, name: str | None = None) -> Manifest:
    """A ServiceAccount without a token in pods, and by itself without rights."""
    own = name or object_name(world.key)
    return build_child(SERVICE_ACCOUNT, world.key, world.uid, own, automountServiceAccountToken=False)


def build_keys(world: World) -> Manifest:
    """The Secret of the session keys without its bytes: those are made when it is posted (ADR-0005)."""
    return build_child(SECRET, world.key, world.uid, keys_name(world.key), type="Opaque")
