"""The layers of the core, outermost first, and the one that is in force."""

from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

from vmcp_api.spec.authorization import PolicyMode
from vmcp_api.spec.operational import PartialFailureMode
from vmcp_api.spec.rate_limiting import RateLimiting
from vmcp_proxy.core.catalog.catalog import Catalog
from vmcp_proxy.core.outcomes import Reply
from vmcp_proxy.core.policy.admission import Admission
from vmcp_proxy.core.policy.all_or_nothing import AllOrNothing, Served
from vmcp_proxy.core.policy.judge import Known
from vmcp_proxy.core.policy.questions import Admitter, DecisionObserver
from vmcp_proxy.core.policy.rate_limit import LimitServices, RateLimit
from vmcp_proxy.core.policy.rate_limits import RateLimits
from vmcp_proxy.core.policy.reach import Reach
from vmcp_proxy.core.policy.shadow import Shadow
from vmcp_proxy.core.virtual import Caller, Exchange, Listed, Operation, Resolved, VirtualMCP
from vmcp_proxy.protocol.kinds import Kind


@dataclass(frozen=True, slots=True)
class CoreSettings:
    """What the layers follow under a config."""

    admitter: Admitter
    partial_failure_mode: PartialFailureMode = PartialFailureMode.BEST_EFFORT
    rate_limiting: RateLimiting | None = None


@dataclass(frozen=True, slots=True)
class CoreServices:
    """What the layers stand on from the start of the process to its end."""

    aggregate: VirtualMCP
    served: Served
    decisions: DecisionObserver
    known: Known
    reach: Reach
    limits: LimitServices


def build_core(settings: CoreSettings, services: CoreServices) -> VirtualMCP:
    """The core: all or nothing, admission, rate limits, the aggregate; what is not configured is not in it."""
    core = services.aggregate
    if settings.rate_limiting is not None:
        core = RateLimit(core, RateLimits(settings.rate_limiting), services.limits)
    match settings.admitter.mode:
        case PolicyMode.ENFORCE:
            core = Admission(core, settings.admitter, services.decisions, services.known)
        case PolicyMode.SHADOW:
            core = Shadow(core, settings.admitter, services.decisions, services.known)
    if settings.partial_failure_mode is PartialFailureMode.FAIL:
        core = AllOrNothing(core, services.served, services.reach)
    return core


class LiveCore:
    """The `VirtualMCP` in force: `current` is replaced as a whole when the config is.

    A call that was resolved before goes on under the new policy: it is decided on when it is performed.
    """

    def __init__(self, current: VirtualMCP) -> None:
        self.current = current

    def view(self, caller: Caller) -> Coroutine[Any, Any, Catalog]:
        """See `VirtualMCP.view`."""
        return self.current.view(caller)

    def list(self, caller: Caller, kind: Kind) -> Coroutine[Any, Any, Listed]:
        """See `VirtualMCP.list`."""
        return self.current.list(caller, kind)

    def resolve(self, caller: Caller, operation: Operation) -> Coroutine[Any, Any, Resolved]:
        """See `VirtualMCP.resolve`."""
        return self.current.resolve(caller, operation)

    def perform(
        self, caller: Caller, operation: Operation, resolved: Resolved, exchange: Exchange
    ) -> Coroutine[Any, Any, Reply]:
        """See `VirtualMCP.perform`."""
        return self.current.perform(caller, operation, resolved, exchange)
