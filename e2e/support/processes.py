"""Processes of the cluster's pods and node, as this machine sees them."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from e2e.cluster import Cluster, ClusterError
from e2e.support.kube import Manifest


def operator_of(pod: Manifest) -> int:
    """The operator's process in a pod."""
    uid = pod["metadata"]["uid"].replace("-", "_")
    for pid, command, cgroups in _processes():
        if "vmcp_operator" in command and uid in cgroups.replace("-", "_"):
            return pid
    raise ClusterError(f"no process of {pod['metadata']['name']}")


def etcd_of(cluster: Cluster) -> int:
    """The process of the cluster's etcd."""
    data = f"--data-dir={cluster.kubeconfig.parent}"
    for pid, command, _ in _processes():
        if data in command:
            return pid
    raise ClusterError("no process of etcd")


@contextmanager
def standing_still(pid: int) -> Iterator[None]:
    """A process stopped in whatever it does, as on a node that freezes."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def _processes() -> Iterator[tuple[int, str, str]]:
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            yield int(folder.name), (folder / "cmdline").read_text(), (folder / "cgroup").read_text()
        except OSError:
            continue
