"""The layers of the core, outermost first, and the one that is in force."""

from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from vmcp_api.spec.authorization import PolicyMode
from vmcp_api.spec.operational import PartialFailureMode
from vmcp_api.spec.rate_limiting import RateLimiting
from vmcp_proxy.auth.identity import Identity
from vmcp_proxy.core.catalog.budget import CatalogBudget
from vmcp_proxy.core.catalog.capabilities import Capability
from vmcp_proxy.core.catalog.catalog import Catalog
from vmcp_proxy.core.outcomes import Limited, Reply, Unchecked
from vmcp_proxy.core.policy.admission import Admission
from vmcp_proxy.core.policy.all_or_nothing import AllOrNothing, Served
from vmcp_proxy.core.policy.judge import Known
from vmcp_proxy.core.policy.questions import Admitter, AllowAll, DecisionObserver
from vmcp_proxy.core.policy.rate_limit import LimitServices, RateLimit
from vmcp_proxy.core.policy.rate_limits import RateLimits
from vmcp_proxy.core.policy.reach import Reach
from vmcp_proxy.core.policy.shadow import Shadow
from vmcp_proxy.core.virtual import Caller, Exchange, Listed, Looked, Operation, Resolved, VirtualMCP
from vmcp_proxy.protocol.kinds import Kind

Shows: TypeAlias = Callable[[Identity, Sequence[Capability]], Sequence[bool]]
"""Which capabilities policies that bind show to an identity; see `Admitter.shows`."""


@dataclass(frozen=True, slots=True)
class StepLayers:
    """What the calls of a composite tool's steps go through: with policies, and without (`authorizeSteps: false`).

    `version` is that of the policies, `budget` keeps what is made for callers.
    """

    judged: VirtualMCP
    unjudged: VirtualMCP
    shows: Shows
    version: str
    budget: CatalogBudget


BuildComposites: TypeAlias = Callable[[VirtualMCP, StepLayers, Callable[[], Catalog]], VirtualMCP]
"""Makes the layer of composite tools around the aggregate; the catalog is what the proxy itself sees (ADR-0051)."""


BuildSearch: TypeAlias = Callable[[VirtualMCP, RateLimit | None, Callable[[], Catalog]], VirtualMCP]
"""Makes the layer of tool search around all the others; it charges its own tool to the limits (ADR-0065)."""


@dataclass(frozen=True, slots=True)
class CoreSettings:
    """What the layers follow under a config; `composites` and `search` are None where it has none."""

    admitter: Admitter
    partial_failure_mode: PartialFailureMode = PartialFailureMode.BEST_EFFORT
    rate_limiting: RateLimiting | None = None
    composites: BuildComposites | None = None
    search: BuildSearch | None = None


@dataclass(frozen=True, slots=True)
class CoreServices:
    """What the layers stand on from the start of the process to its end.

    `shared` is what the proxy itself sees, `budget` keeps what is made for single callers.
    """

    aggregate: VirtualMCP
    shared: Callable[[], Catalog]
    served: Served
    decisions: DecisionObserver
    known: Known
    reach: Reach
    limits: LimitServices
    budget: CatalogBudget = field(default_factory=CatalogBudget)


def build_core(settings: CoreSettings, services: CoreServices) -> VirtualMCP:
    """The core: tool search, all or nothing, admission, rate limits, composite tools, the aggregate.

    What is not configured is not in it. A composite tool is one call to policies and limits, and each of its steps is
    another.
    """
    aggregate = services.aggregate
    limited = _limited(aggregate, settings, services)
    core = _judged(limited, settings, services)
    if settings.composites is not None:
        steps = StepLayers(core, limited, _shows(settings.admitter), settings.admitter.version, services.budget)
        core = _judged(
            _limited(settings.composites(aggregate, steps, services.shared), settings, services), settings, services
        )
    if settings.partial_failure_mode is PartialFailureMode.FAIL:
        core = AllOrNothing(core, services.served, services.reach)
    if settings.search is not None:
        core = settings.search(core, limits_around(aggregate, settings, services), services.shared)
    return core


def limits_around(inner: VirtualMCP, settings: CoreSettings, services: CoreServices) -> RateLimit | None:
    """The layer of rate limits; None where none are configured. All of them take from the same buckets."""
    limits = settings.rate_limiting
    return None if limits is None else RateLimit(inner, RateLimits(limits), services.limits)


def _limited(inner: VirtualMCP, settings: CoreSettings, services: CoreServices) -> VirtualMCP:
    return limits_around(inner, settings, services) or inner


def _judged(inner: VirtualMCP, settings: CoreSettings, services: CoreServices) -> VirtualMCP:
    match settings.admitter.mode:
        case PolicyMode.ENFORCE:
            return Admission(inner, settings.admitter, services.decisions, services.known, services.budget)
        case PolicyMode.SHADOW:
            return Shadow(inner, settings.admitter, services.decisions, services.known)
        case None:
            return inner


def _shows(admitter: Admitter) -> Shows:
    """What lists show; where policies bind nobody that is all."""
    return admitter.shows if admitter.mode is PolicyMode.ENFORCE else AllowAll().shows


class LiveCore:
    """The `VirtualMCP` in force: `current` is replaced as a whole when the config is.

    `limits` are for what a client asks that is none of its operations.

    A call that was resolved before goes on under the new policy: it is decided on when it is performed.
    """

    def __init__(self, current: VirtualMCP, limits: RateLimit | None = None) -> None:
        self.current = current
        self.limits = limits

    async def charge(self, caller: Caller) -> Limited | Unchecked | None:
        """See `RateLimit.charge`; nothing is refused where there are no limits."""
        return None if self.limits is None else await self.limits.charge(caller)

    async def charge_view(self, caller: Caller) -> Limited | Unchecked | None:
        """See `RateLimit.charge_view`."""
        return None if self.limits is None else await self.limits.charge_view(caller)

    def view(self, caller: Caller) -> Coroutine[Any, Any, Catalog]:
        """See `VirtualMCP.view`."""
        return self.current.view(caller)

    def list(self, caller: Caller, kind: Kind) -> Coroutine[Any, Any, Listed]:
        """See `VirtualMCP.list`."""
        return self.current.list(caller, kind)

    def resolve(self, caller: Caller, operation: Operation) -> Coroutine[Any, Any, Looked]:
        """See `VirtualMCP.resolve`."""
        return self.current.resolve(caller, operation)

    def perform(
        self, caller: Caller, operation: Operation, resolved: Resolved, exchange: Exchange
    ) -> Coroutine[Any, Any, Reply]:
        """See `VirtualMCP.perform`."""
        return self.current.perform(caller, operation, resolved, exchange)
