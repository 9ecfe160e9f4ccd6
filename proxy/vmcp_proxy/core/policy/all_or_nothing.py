"""Whether the rest is served while a member of the group is unhealthy: a pure decision."""

from collections.abc import Collection
from typing import Final

from vmcp_api.pod_status import Health
from vmcp_api.spec.operational import PartialFailureMode
from vmcp_proxy.core.members.member import Members
from vmcp_proxy.core.outcomes import PartialFailure

WITHHELD: Final = "withheld"
IS_WITHHELD: Final = "is not served: its configuration lacks something"
"""What clients may know of it; the status says what is missing."""


def refusal(members: Members, withheld: Collection[str], mode: PartialFailureMode) -> PartialFailure | None:
    """The answer to every list and call while a member is unhealthy or withheld and the mode is `fail`.

    It names the first. One that refuses credentials is not unhealthy: it may serve callers who bring their own.
    """
    if mode is PartialFailureMode.BEST_EFFORT:
        return None
    down = {name: "is unhealthy" for name, member in members.items() if member.health.state is Health.UNHEALTHY}
    down |= dict.fromkeys(withheld, IS_WITHHELD)
    if not down:
        return None
    name = min(down)
    text = f"backend {name!r} {down[name]}, and this endpoint serves all of its backends or none"
    category = WITHHELD if name in withheld else members[name].health.category.value
    return PartialFailure(name, category, text)
