"""The layer of rate limits: what is asked too often reaches no backend (ADR-0045)."""

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Protocol

from vmcp_proxy.auth.identity import Identity
from vmcp_proxy.core.catalog.catalog import Catalog
from vmcp_proxy.core.outcomes import Limit, Limited, Reply, Unchecked
from vmcp_proxy.core.policy.rate_limits import Needed, RateLimits, UserKey
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
from vmcp_proxy.limits.bucket import Waits
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

    def on_limits(self, limits: tuple[Limit, ...], outcome: LimitOutcome) -> None:
        """Hears what became of one request, at the buckets that made it so; it must not raise."""


@dataclass(frozen=True, slots=True)
class LimitServices:
    """What the layer stands on: `asks` tells whether a list for a caller would ask a backend now.

    `asks_for_one` tells whether it would ask one for what is not the same for callers without headers, capabilities
    and tokens.
    """

    limiter: Limiter
    user_key: UserKey
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
        return await self._take(self._needed(caller.identity, None))

    async def charge_view(self, caller: Caller) -> Limited | Unchecked | None:
        """The same for the view of a new session, which is free unless it has backends asked for this caller alone."""
        return await self.charge(caller) if self._asks_for_one(caller) else None

    async def charge_listing(self, caller: Caller, tool: str) -> Limited | Unchecked | None:
        """Takes the tokens of a call of a tool that is answered from `list`: those that the list will not take."""
        identity = caller.identity
        if not self._asks(caller):
            return await self._take(self._needed(identity, tool))
        return await self._take(self._limits.needed_beside(tool, None, self._user_key, identity))

    async def list(self, caller: Caller, kind: Kind) -> Listed:
        """See `VirtualMCP.list`."""
        refused = await self.charge(caller) if self._asks(caller) else None
        return await self._inner.list(caller, kind) if refused is None else refused

    def resolve(self, caller: Caller, operation: Operation) -> Coroutine[Any, Any, Looked]:
        """See `VirtualMCP.resolve`; new headers with each call would have all backends asked, tokens or not."""
        return self._charged(caller, operation) if self._asks(caller) else self._inner.resolve(caller, operation)

    async def _charged(self, caller: Caller, operation: Operation) -> Looked:
        refused = await self._take(self._needed(caller.identity, _named(operation)))
        if refused is not None:
            return refused
        looked = await self._inner.resolve(caller, operation)
        return looked if isinstance(looked, Charged | Limited | Unchecked) else Charged(looked, _named(operation))

    def perform(
        self, caller: Caller, operation: Operation, resolved: Resolved, exchange: Exchange
    ) -> Coroutine[Any, Any, Reply]:
        """See `VirtualMCP.perform`; names that do not exist cost as much as others.

        Where the buckets are in this process nothing is waited for, and the request goes on without a frame of ours.
        """
        if operation.method == UNSUBSCRIBE and _gives_back(caller, operation, resolved):
            return self._inner.perform(caller, operation, resolved, exchange)
        charged = operation.charged
        # The usual case as `_tool` has it, without its frame: every call of a limited endpoint comes through here.
        if type(resolved) is Target and operation.kind is Kind.TOOL:
            tool: str | None = resolved.capability.exposed
        else:
            tool = _tool(operation, resolved)
        needed = (
            self._limits.needed(tool, self._user_key, caller.identity)
            if charged is None
            # A page may name a tool by its own name: which buckets it has was not known before it was looked up.
            else self._limits.needed_beside(tool, charged.tool, self._user_key, caller.identity)
        )
        if not needed.uses:
            return self._inner.perform(caller, operation, resolved, exchange)
        waits = self._limiter.take_now(needed.uses)
        if waits is None:
            return self._perform(needed, caller, operation, resolved, exchange)
        if any(waits):
            return _answer(self._refused(needed, waits))
        self._observer.on_limits(needed.limits, LimitOutcome.ALLOWED)
        return self._inner.perform(caller, operation, resolved, exchange)

    async def _perform(
        self, needed: Needed, caller: Caller, operation: Operation, resolved: Resolved, exchange: Exchange
    ) -> Reply:
        refused = await self._take(needed)
        return await self._inner.perform(caller, operation, resolved, exchange) if refused is None else refused

    def _needed(self, identity: Identity, tool: str | None) -> Needed:
        return self._limits.needed(tool, self._user_key, identity)

    async def _take(self, needed: Needed) -> Limited | Unchecked | None:
        if not needed.uses:
            return None
        waits = await self._limiter.take(needed.uses)
        if waits is None:
            is_denied = self._limits.denies_unchecked
            outcome = LimitOutcome.UNCHECKED_DENIED if is_denied else LimitOutcome.UNCHECKED_ALLOWED
            self._observer.on_limits(needed.limits, outcome)
            return Unchecked(_RETRY_UNCHECKED) if is_denied else None
        if any(waits):
            return self._refused(needed, waits)
        self._observer.on_limits(needed.limits, LimitOutcome.ALLOWED)
        return None

    def _refused(self, needed: Needed, waits: Waits) -> Limited:
        """What refuses a request where a bucket had no token; the observer is told."""
        limits, longest = needed.limits, max(waits)
        lacking = tuple(limit for limit, wait in zip(limits, waits, strict=True) if wait)
        self._observer.on_limits(lacking, LimitOutcome.LIMITED)
        return Limited(limits[waits.index(longest)], -(-longest // _MILLISECONDS))


async def _answer(refused: Limited) -> Reply:
    return refused


def _gives_back(caller: Caller, operation: Operation, resolved: Resolved) -> bool:
    """Whether an `unsubscribe` ends a subscription that the client has here: that is never refused.

    One that was made through another pod is not known here: ending it asks a backend, as ending none would.
    """
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
    if type(resolved) is Target:
        return resolved.capability.exposed
    if isinstance(resolved, OwnNames) and len(resolved.targets) == 1:
        resolved = resolved.targets[0]
    return resolved.capability.exposed if isinstance(resolved, Found) else operation.name
