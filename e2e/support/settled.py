"""Whether the cluster itself is well again: its own parts need a while to come back to an API server that was away."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from e2e.cluster import Cluster, ClusterError
from e2e.support.kube import Kube, condition
from e2e.support.network import NAMESPACE, PORT

SECONDS = 300.0
_PROBE = "settled"
_DIAL = f"import socket, sys; socket.create_connection((sys.argv[1], {PORT}), 2).close()"


def until_settled(cluster: Cluster) -> None:
    """Waits until nodes are ready, nothing is on its way out, and a new Service leads to its pod.

    The last one is the work of the controllers and of each node, which wait longer and longer before they ask an API
    server again that did not answer.

    Raises:
        ClusterError: it did not come to that in `SECONDS`.
    """
    deadline = time.monotonic() + SECONDS
    own = Kube(cluster, NAMESPACE)
    own.until_so("the nodes", lambda: not _unready(own), deadline - time.monotonic())
    own.until_so("the end of namespaces", lambda: not _leaving(own), deadline - time.monotonic())
    with _new_service(own) as address:
        own.until_so("a new Service", lambda: _leads(own, address), deadline - time.monotonic())


def _unready(kube: Kube) -> list[str]:
    nodes = kube.list("nodes")
    return [node["metadata"]["name"] for node in nodes if condition(node, "Ready").get("status") != "True"]


def _leaving(kube: Kube) -> list[str]:
    return [each["metadata"]["name"] for each in kube.list("namespaces") if each["metadata"].get("deletionTimestamp")]


@contextmanager
def _new_service(kube: Kube) -> Iterator[str]:
    spec = {"selector": {"app": "relay"}, "ports": [{"port": PORT}]}
    kube.apply({"apiVersion": "v1", "kind": "Service", "metadata": {"name": _PROBE}, "spec": spec})
    try:
        yield kube.get(f"service/{_PROBE}")["spec"]["clusterIP"]
    finally:
        kube.delete(f"service/{_PROBE}")


def _leads(kube: Kube, address: str) -> bool:
    try:
        kube.cluster.exec([sys.executable, "-c", _DIAL, address])
    except ClusterError:
        return False
    return True
