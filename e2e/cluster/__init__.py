"""A real Kubernetes cluster for the end-to-end tests: one node, no registry, up in seconds."""

from e2e.cluster.cluster import Cluster
from e2e.cluster.errors import ClusterError
from e2e.cluster.settings import Forward, Settings

__all__ = ["Cluster", "ClusterError", "Forward", "Settings"]
