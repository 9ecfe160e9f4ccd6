"""Who may connect to pods of ours, as a NetworkPolicy says it."""

from collections.abc import Iterable
from typing import Any, Final

from vmcp_api.kinds.pods import LabelSelector, NetworkPeer
from vmcp_operator.plan.objects.naming import NAME_LABEL, OPERATOR
from vmcp_operator.plan.world import World

_NAMESPACE_LABEL: Final = "kubernetes.io/metadata.name"
"""What the API server itself gives to each namespace, and keeps."""


def admit_to_admin(world: World, port: int, more: Iterable[NetworkPeer] = ()) -> dict[str, Any]:
    """The rule that lets the operator, and who scrapes metrics, to an admin port.

    The operator's own namespace alone counts: a label is given by whoever may create a pod, anywhere. Where it runs in
    no pod, nothing says whose address it comes from.
    """
    home = world.settings.namespace
    where = {"matchLabels": {_NAMESPACE_LABEL: home}} if home else {}
    operator = {"namespaceSelector": where, "podSelector": {"matchLabels": {NAME_LABEL: OPERATOR}}}
    scrapers = [build_peer(peer) for peer in (*world.settings.metrics_from, *more)]
    return {"from": [operator, *scrapers], "ports": [{"port": port, "protocol": "TCP"}]}


def build_peer(peer: NetworkPeer) -> dict[str, Any]:
    """A peer as Kubernetes writes it; one that names nothing is the namespace's own pods."""
    if peer.ip_block is not None:
        return {"ipBlock": peer.ip_block.model_dump(by_alias=True, exclude_defaults=True, mode="json")}
    described: dict[str, Any] = {}
    if peer.namespace_selector is not None:
        described["namespaceSelector"] = _selector(peer.namespace_selector)
    if peer.pod_selector is not None:
        described["podSelector"] = _selector(peer.pod_selector)
    return described or {"podSelector": {}}


def _selector(selector: LabelSelector) -> dict[str, Any]:
    described: dict[str, Any] = selector.model_dump(by_alias=True, exclude_defaults=True, mode="json")
    return described
