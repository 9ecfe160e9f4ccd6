"""The API server as the rest of the operator sees it (ADR-0006)."""

from vmcp_operator.cluster.protocol import Cluster

__all__ = ["Cluster"]
