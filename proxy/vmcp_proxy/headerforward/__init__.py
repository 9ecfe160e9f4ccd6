"""Which client headers reach backends, and how they merge with static ones (ADR-0016)."""

from vmcp_proxy.headerforward.merge import Collision, OutgoingHeaders, StaticHeaders, merge
from vmcp_proxy.headerforward.snapshot import EMPTY_SNAPSHOT, AllowList, HeaderSnapshot

__all__ = ["EMPTY_SNAPSHOT", "AllowList", "Collision", "HeaderSnapshot", "OutgoingHeaders", "StaticHeaders", "merge"]
