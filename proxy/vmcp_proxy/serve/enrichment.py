"""What the dispatch found out about a request, for its audit event."""

import msgspec

from vmcp_proxy.auth.decision import DecisionRecord


class Enrichment(msgspec.Struct, frozen=True, gc=False):
    """Who served which target for which session, and by which policies.

    `via` is the tool that has handed the call on to its target; empty where none has.
    """

    method: str
    name: str
    backend: str
    session: str
    decision: DecisionRecord | None = None
    via: str = ""
