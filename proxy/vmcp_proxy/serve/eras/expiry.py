"""For how long a caller that is connected would still be let in (ADR-0039)."""

import math
import time

from vmcp_proxy.serve.context import RequestContext


def credentials_hold(context: RequestContext) -> float:
    """For how many more seconds the client would be let in with what it has shown."""
    expires_at = None if context.identity is None else context.identity.expires_at
    return math.inf if expires_at is None else expires_at - time.time()
