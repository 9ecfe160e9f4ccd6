"""The layer that serves all members of the group or none (`partialFailureMode: fail`)."""

from collections.abc import Collection, Coroutine, Mapping
from typing import Any, Final, Protocol

from vmcp_api.pod_status import Health
from vmcp_proxy.auth.identity import Identity
from vmcp_proxy.core.catalog.catalog import Catalog
from vmcp_proxy.core.members.member import Member
from vmcp_proxy.core.outcomes import PartialFailure, Reply
from vmcp_proxy.core.policy.reach import Reach
from vmcp_proxy.core.virtual import Caller, Exchange, Listed, Looked, Operation, Resolved, VirtualMCP
from vmcp_proxy.protocol.kinds import Kind

WITHHELD: Final = "withheld"
IS_WITHHELD: Final = "is not served: its configuration lacks something"
"""What clients may know of it; the status says what is missing."""


_NAMELESS: Final = PartialFailure("", "unavailable", "a backend is not served, and this endpoint serves all or none")


class Served(Protocol):
    """Who is served now, and who cannot be as it is configured."""

    @property
    def members(self) -> Mapping[str, Member]:
        """The members, by name."""

    @property
    def withheld(self) -> Collection[str]:
        """The names of the others."""


class AllOrNothing:
    """A `VirtualMCP` that answers no list and no call while a member is unhealthy or withheld.

    Views are as ever: what a client may see does not change, so that it hears of no change either. Which backend it is
    is told to those who can have anything of it.
    """

    def __init__(self, inner: VirtualMCP, served: Served, reach: Reach) -> None:
        self._inner: Final = inner
        self._served: Final = served
        self._reach: Final = reach

    def view(self, caller: Caller) -> Coroutine[Any, Any, Catalog]:
        """See `VirtualMCP.view`."""
        return self._inner.view(caller)

    async def list(self, caller: Caller, kind: Kind) -> Listed:
        """See `VirtualMCP.list`."""
        refused = self._refusal(caller.identity)
        return await self._inner.list(caller, kind) if refused is None else refused

    async def resolve(self, caller: Caller, operation: Operation) -> Looked:
        """See `VirtualMCP.resolve`; refused before anybody looks, once for the whole call."""
        refused = self._refusal(caller.identity)
        return await self._inner.resolve(caller, operation) if refused is None else refused

    async def perform(self, caller: Caller, operation: Operation, resolved: Resolved, exchange: Exchange) -> Reply:
        """See `VirtualMCP.perform`."""
        if isinstance(resolved, PartialFailure):
            return resolved
        return await self._inner.perform(caller, operation, resolved, exchange)

    def _refusal(self, identity: Identity) -> PartialFailure | None:
        refused = refusal(self._served.members, self._served.withheld)
        return refused if refused is None or self._reach.holds(identity, refused.backend) else _NAMELESS


def refusal(members: Mapping[str, Member], withheld: Collection[str]) -> PartialFailure | None:
    """The answer to every list and call while a member is unhealthy or withheld; None where none is.

    It names the first. One that refuses credentials is not unhealthy: it may serve callers who bring their own.
    """
    down = {name: "is unhealthy" for name, member in members.items() if member.health.state is Health.UNHEALTHY}
    down |= dict.fromkeys(withheld, IS_WITHHELD)
    if not down:
        return None
    name = min(down)
    text = f"backend {name!r} {down[name]}, and this endpoint serves all of its backends or none"
    category = WITHHELD if name in withheld else members[name].health.category.value
    return PartialFailure(name, category, text)
