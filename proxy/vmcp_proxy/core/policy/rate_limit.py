"""The layer of rate limits: what is asked too often reaches no backend (ADR-0045)."""

from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Protocol

from vmcp_proxy.auth.identity import Identity
from vmcp_proxy.core.catalog.catalog import Catalog
from vmcp_proxy.core.outcomes import Limit, Limited, Reply, Unchecked
from vmcp_proxy.core.policy.rate_limits import RateLimits
from vmcp_proxy.core.virtual import (
    Caller,
    Charged,
    Exchange,
    Found,
    Listed,
    Looked,
    Operation,
    OwnNames,
    Resolved,
    Target,
    VirtualMCP,
)
from vmcp_proxy.limits.bucket import Use
from vmcp_proxy.limits.limiter import Limiter
from vmcp_proxy.protocol.kinds import Kind
from vmcp_proxy.protocol.methods import UNSUBSCRIBE

LAYER: Final = "rate_limit"
"""What the audit calls it."""

_RETRY_UNCHECKED: Final = 1
_MILLISECONDS: Final = 1000


class LimitOutcome(StrEnum):
    """What became of one request at one of its buckets; the last two where nobody could say."""

    ALLOWED = "allowed"
    LIMITED = "limited"
    UNCHECKED_ALLOWED = "unchecked_allowed"
    UNCHECKED_DENIED = "unchecked_denied"


class LimitObserver(Protocol):
    """Hears every decision: for metrics and the log."""

    @property
    def counts(self) -> Mapping[tuple[str, ...], float]:
        """How many it has heard of, by bucket and outcome."""

    def on_limits(self, limits: Sequence[Limit], outcome: LimitOutcome) -> None:
        """Hears what became of one request, at the buckets that made it so; it must not raise."""


@dataclass(frozen=True, slots=True)
class LimitServices:
    """What the layer stands on: `asks` tells whether a list for a caller would ask a backend now.

    `asks_for_one` tells whether it would ask one for what is not the same for callers without headers, capabilities
    and tokens.
    """

    limiter: Limiter
    user_key: Callable[[Identity], str]
    asks: Callable[[Caller], bool]
    asks_for_one: Callable[[Caller], bool]
    observer: LimitObserver


class RateLimit:
    """A `VirtualMCP` that passes on what there are tokens for, each request for one of every bucket it belongs to.

    It stands inside of admission: what is denied costs nothing, unless a backend has to be asked for its lists to find
    out what it is about. Then the tokens are taken before. Views cost nothing, nor do lists that are known.
    """

    def __init__(self, inner: VirtualMCP, limits: RateLimits, services: LimitServices) -> None:
        self._inner: Final = inner
        self._limits: Final = limits
        self._limiter: Final = services.limiter
        self._user_key: Final = services.user_key
        self._asks: Final = services.asks
        self._asks_for_one: Final = services.asks_for_one
        self._observer: Final = services.observer

    def view(self, caller: Caller) -> Coroutine[Any, Any, Catalog]:
        """See `VirtualMCP.view`."""
        return self._inner.view(caller)

    async def charge(self, caller: Caller) -> Limited | Unchecked | None:
        """Takes the tokens of a request that is no operation and has backends asked; what refuses it."""
        return await self._take(self._uses(caller.identity, None))

    async def charge_view(self, caller: Caller) -> Limited | Unchecked | None:
        """The same for the view of a new session, which is free unless it has backends asked for this caller alone."""
        return await self.charge(caller) if self._asks_for_one(caller) else None

    async def charge_listing(self, caller: Caller, tool: str) -> Limited | Unchecked | None:
        """Takes the tokens of a call of a tool that is answered from `list`: those that the list will not take."""
        identity = caller.identity
        if not self._asks(caller):
            return await self._take(self._uses(identity, tool))
        return await self._take(self._limits.uses_beside(tool, None, lambda: self._user_key(identity)))

    async def list(self, caller: Caller, kind: Kind) -> Listed:
        """See `VirtualMCP.list`."""
        refused = await self.charge(caller) if self._asks(caller) else None
        return await self._inner.list(caller, kind) if refused is None else refused

    async def resolve(self, caller: Caller, operation: Operation) -> Looked:
        """See `VirtualMCP.resolve`; new headers with each call would have all backends asked, tokens or not."""
        if not self._asks(caller):
            return await self._inner.resolve(caller, operation)
        refused = await self._take(self._uses(caller.identity, _named(operation)))
        if refused is not None:
            return refused
        looked = await self._inner.resolve(caller, operation)
        return looked if isinstance(looked, Charged | Limited | Unchecked) else Charged(looked, _named(operation))

    async def perform(self, caller: Caller, operation: Operation, resolved: Resolved, exchange: Exchange) -> Reply:
        """See `VirtualMCP.perform`; names that do not exist cost as much as others."""
        if not _gives_back(caller, operation, resolved):
            refused = await self._take(self._needed(caller.identity, operation, _tool(operation, resolved)))
            if refused is not None:
                return refused
        return await self._inner.perform(caller, operation, resolved, exchange)

    def _uses(self, identity: Identity, tool: str | None) -> Sequence[tuple[Limit, Use]]:
        return self._limits.uses(tool, lambda: self._user_key(identity))

    def _needed(self, identity: Identity, operation: Operation, tool: str | None) -> Sequence[tuple[Limit, Use]]:
        if operation.charged is None:
            return self._uses(identity, tool)
        # A page may name a tool by its own name: which buckets it has was not known before it was looked up.
        return self._limits.uses_beside(tool, operation.charged.tool, lambda: self._user_key(identity))

    async def _take(self, needed: Sequence[tuple[Limit, Use]]) -> Limited | Unchecked | None:
        if not needed:
            return None
        limits = [limit for limit, _ in needed]
        waits = await self._limiter.take([use for _, use in needed])
        if waits is None:
            is_denied = self._limits.denies_unchecked
            outcome = LimitOutcome.UNCHECKED_DENIED if is_denied else LimitOutcome.UNCHECKED_ALLOWED
            self._observer.on_limits(limits, outcome)
            return Unchecked(_RETRY_UNCHECKED) if is_denied else None
        longest = max(waits)
        if not longest:
            self._observer.on_limits(limits, LimitOutcome.ALLOWED)
            return None
        lacking = [limit for limit, wait in zip(limits, waits, strict=True) if wait]
        self._observer.on_limits(lacking, LimitOutcome.LIMITED)
        return Limited(limits[waits.index(longest)], -(-longest // _MILLISECONDS))


def _gives_back(caller: Caller, operation: Operation, resolved: Resolved) -> bool:
    """Whether it ends a subscription that the client has here: that is never refused.

    One that was made through another pod is not known here: ending it asks a backend, as ending none would.
    """
    if operation.method != UNSUBSCRIBE:
        return False
    if type(resolved) is not Target:
        return True
    capability = resolved.capability
    uri = operation.name if capability.kind is Kind.TEMPLATE else capability.original
    return uri in caller.client.subscriptions.get(capability.backend, ())


def _named(operation: Operation) -> str | None:
    """The tool that is called, as long as nobody has looked; else None."""
    return operation.name if operation.kind is Kind.TOOL else None


def _tool(operation: Operation, resolved: Resolved) -> str | None:
    """The tool that is called, by the name that clients see, whatever name a page calls it by; else None."""
    if operation.kind is not Kind.TOOL:
        return None
    if isinstance(resolved, OwnNames) and len(resolved.targets) == 1:
        resolved = resolved.targets[0]
    return resolved.capability.exposed if isinstance(resolved, Found) else operation.name
