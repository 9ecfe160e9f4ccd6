"""The layer of rate limits: what is asked too often reaches no backend (ADR-0045)."""

from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Protocol

from vmcp_proxy.auth.identity import Identity
from vmcp_proxy.core.catalog.catalog import Catalog
from vmcp_proxy.core.outcomes import Limit, Limited, Reply, Unchecked
from vmcp_proxy.core.policy.rate_limits import RateLimits
from vmcp_proxy.core.virtual import Caller, Exchange, Found, Listed, Operation, OwnNames, Resolved, VirtualMCP
from vmcp_proxy.limits.limiter import Limiter
from vmcp_proxy.protocol.kinds import Kind

LAYER: Final = "rate_limit"
"""What the audit calls it."""

_FREE: Final = frozenset({"resources/unsubscribe"})
"""What gives something back is never refused."""

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
    """What the layer stands on: `asks` tells whether a list for a caller would ask a backend now."""

    limiter: Limiter
    user_key: Callable[[Identity], str]
    asks: Callable[[Caller], bool]
    observer: LimitObserver


class RateLimit:
    """A `VirtualMCP` that passes on what there are tokens for, each request for one of every bucket it belongs to.

    It stands inside of admission: what is denied costs nothing. Views cost nothing, nor do lists that are known.
    """

    def __init__(self, inner: VirtualMCP, limits: RateLimits, services: LimitServices) -> None:
        self._inner: Final = inner
        self._limits: Final = limits
        self._limiter: Final = services.limiter
        self._user_key: Final = services.user_key
        self._asks: Final = services.asks
        self._observer: Final = services.observer

    def view(self, caller: Caller) -> Coroutine[Any, Any, Catalog]:
        """See `VirtualMCP.view`."""
        return self._inner.view(caller)

    async def list(self, caller: Caller, kind: Kind) -> Listed:
        """See `VirtualMCP.list`."""
        refused = await self._refusal(caller.identity, None) if self._asks(caller) else None
        return await self._inner.list(caller, kind) if refused is None else refused

    def resolve(self, caller: Caller, operation: Operation) -> Coroutine[Any, Any, Resolved]:
        """See `VirtualMCP.resolve`."""
        return self._inner.resolve(caller, operation)

    async def perform(self, caller: Caller, operation: Operation, resolved: Resolved, exchange: Exchange) -> Reply:
        """See `VirtualMCP.perform`; names that do not exist cost as much as others."""
        if operation.method not in _FREE:
            refused = await self._refusal(caller.identity, _tool(operation, resolved))
            if refused is not None:
                return refused
        return await self._inner.perform(caller, operation, resolved, exchange)

    async def _refusal(self, identity: Identity, tool: str | None) -> Limited | Unchecked | None:
        needed = self._limits.uses(tool, lambda: self._user_key(identity))
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


def _tool(operation: Operation, resolved: Resolved) -> str | None:
    """The tool that is called, by the name that clients see, whatever name a page calls it by; else None."""
    if operation.kind is not Kind.TOOL:
        return None
    if isinstance(resolved, OwnNames) and len(resolved.targets) == 1:
        resolved = resolved.targets[0]
    return resolved.capability.exposed if isinstance(resolved, Found) else operation.name
