"""Whether the rest is served while a member of the group is unhealthy: a pure decision."""

import msgspec

from vmcp_api.spec.operational import PartialFailureMode
from vmcp_proxy.core.health import Health
from vmcp_proxy.core.members import Members
from vmcp_proxy.core.virtual import Failure
from vmcp_proxy.protocol.jsonrpc import INTERNAL_ERROR


def refusal(members: Members, mode: PartialFailureMode) -> Failure | None:
    """The answer to every list and call while a member is unhealthy and the mode is `fail`; it names the first."""
    if mode is PartialFailureMode.BEST_EFFORT:
        return None
    down = sorted(name for name, member in members.items() if member.health.state is Health.UNHEALTHY)
    if not down:
        return None
    text = f"backend {down[0]!r} is unhealthy, and this endpoint serves all of its backends or none"
    return Failure(INTERNAL_ERROR, text, msgspec.json.encode({"vmcp.dev/backend": down[0]}), down[0])
