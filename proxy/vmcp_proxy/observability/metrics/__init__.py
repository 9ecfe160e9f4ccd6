"""What the proxy counts, and how it tells it: to a scrape and by OTLP, from the same numbers (ADR-0019, ADR-0048)."""

from vmcp_proxy.observability.metrics.backend_calls import BackendCalls
from vmcp_proxy.observability.metrics.counters import Metrics
from vmcp_proxy.observability.metrics.snapshot import Snapshot

__all__ = ["BackendCalls", "Metrics", "Snapshot"]
