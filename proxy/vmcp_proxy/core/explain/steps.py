"""The steps before admission in words: a pure function of what the catalog's own decisions left behind."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import msgspec

from vmcp_api.pod_status import Health, StoreReport
from vmcp_api.spec.aggregation import Aggregation, ConflictResolution
from vmcp_proxy.core.catalog.capabilities import Conflict, ConflictReason, Outcome
from vmcp_proxy.core.catalog.filters import FilterSetting
from vmcp_proxy.core.catalog.trace import Traced
from vmcp_proxy.core.explain.explanation import Stage, Step, Verdict
from vmcp_proxy.core.outcomes import Limit, PartialFailure
from vmcp_proxy.core.policy.rate_limits import RateLimits, describe
from vmcp_proxy.protocol.kinds import Kind

AGGREGATION: Final = "spec.config.aggregation"
_MEND: Final = "mend the backend; it is asked again by itself"
_PERSONAL: Final = "lists to each caller by the caller's own credentials"
_TRIED_AGAIN: Final = "correct its strategy (externalAuthConfigRef, outgoingAuth); it is tried again by itself"
_MODE: Final = "spec.config.operational.failureHandling.partialFailureMode"
_ON_STORE_FAILURE: Final = "spec.config.rateLimiting.onStoreFailure"

_LIMITS: Final = MappingProxyType(
    {
        Limit.SHARED: "for all callers together",
        Limit.PER_USER: "for each caller",
        Limit.TOOL_SHARED: "for this tool",
        Limit.TOOL_PER_USER: "for this tool and each caller",
    }
)

_FILTERS: Final[Mapping[tuple[FilterSetting, bool], tuple[str, str]]] = MappingProxyType(
    {
        (FilterSetting.DEFAULT, True): ("is allow, and tools has no entry for it", ""),
        (FilterSetting.DEFAULT, False): (
            "is deny, and tools has no entry for it",
            "add an entry, or set it to allow",
        ),
        (FilterSetting.ENTRY, True): ("leaves nothing out", ""),
        (FilterSetting.EXCLUDE_ALL_TOOLS, False): ("leaves out every tool", "set it to false"),
        (FilterSetting.EXCLUDE_ALL, False): ("leaves out every tool of this backend", "set it to false"),
        (FilterSetting.FILTER, True): ("names it", ""),
        (FilterSetting.FILTER, False): ("does not name it", "add {name} to it"),
    }
)
"""What is said of each setting, by whether it shows the tool: what it does, and what would change it."""


class BackendState(msgspec.Struct, frozen=True, gc=False):
    """How one backend is: `withheld` says why it cannot be served, empty where it can.

    `is_personal`: it tells callers apart, and what is known here is what it says to the proxy itself. `callers` is what
    kept the last caller from a token for it, empty where nothing did.
    """

    name: str
    health: Health
    message: str = ""
    is_circuit_open: bool = False
    withheld: str = ""
    outcome: Outcome = Outcome()
    is_personal: bool = False
    callers: str = ""


def group_step(refused: PartialFailure | None) -> Step:
    """Under `partialFailureMode: fail`: whether anything is served at all."""
    if refused is None:
        return Step(stage=Stage.GROUP, verdict=Verdict.PASS, reason="all backends are served")
    change = f"mend that backend, or set {_MODE} to best_effort"
    return Step(stage=Stage.GROUP, verdict=Verdict.STOP, reason=refused.message, change=change)


def backend_step(state: BackendState, *, is_away: bool) -> Step:
    """Whether the backend serves what it lists; `is_away`: its entries are known, but stand in no list now."""
    name, outcome = state.name, state.outcome
    if state.withheld:
        return _stop(f"backend {name!r} is withheld: {state.withheld}", "mend what its configuration lacks")
    if state.callers:
        return _stop(f"callers get no token for backend {name!r}: {state.callers}", _TRIED_AGAIN)
    if not is_away and not outcome.is_missing:
        more = f"; it {_PERSONAL}, so that a caller may see others" if state.is_personal else ""
        return _passed(f"backend {name!r} is {state.health}{more}")
    if state.is_circuit_open:
        said = f": {state.message}" if state.message else ""
        return _stop(f"the circuit of backend {name!r} is open{said}", _MEND)
    said = outcome.message or state.message or f"backend {name!r} is {state.health}"
    if is_away:
        return _stop(said, _MEND)
    return _passed(f"backend {name!r} is {state.health}; not all of its lists could be read: {said}")


def unlisted_step(state: BackendState) -> Step:
    """A backend that may have the name and has not said so, as `backend_step` where it lists something."""
    if state.withheld or state.is_circuit_open or state.callers:
        return backend_step(state, is_away=True)
    said = state.outcome.message or f"backend {state.name!r} has not answered yet"
    if state.is_personal:
        return _stop(f"backend {state.name!r} {_PERSONAL}; to the proxy: {said}", "list with the caller's token")
    return _stop(f"what backend {state.name!r} lists is not known: {said}", _MEND)


def conflict_step(entry: Traced, aggregation: Aggregation) -> Step:
    """How the entry came by its name, and whether it got it."""
    capability, conflict = entry.capability, entry.conflict
    made = _made(entry, aggregation)
    if entry.is_kept:
        won = f"; it won the name over {_names(conflict, capability.backend)}" if conflict is not None else ""
        return Step(stage=Stage.CONFLICT, verdict=Verdict.PASS, reason=f"{made}{won}")
    if conflict is None:
        # Two entries of one backend under one name and a winner among them: nothing says more.
        return _lost(f"{made}; another entry of backend {capability.backend!r} has the name", _rename(capability.kind))
    rivals = _names(conflict, capability.backend) or f"another entry of backend {capability.backend!r}"
    match conflict.reason:
        case ConflictReason.AMBIGUOUS:
            reason = f"{made}; {rivals} claims it too, and nothing decides between them, so nobody serves it"
        case ConflictReason.LOWER_PRIORITY:
            reason = f"{made}; backend {conflict.winner!r} stands higher in priorityOrder and has it"
        case ConflictReason.DUPLICATE:
            reason = f"{made}; backend {conflict.winner!r} comes first by name and has it"
        case ConflictReason.HIDDEN:
            reason = f"{made}; {rivals} has won it and is hidden by a filter, which frees no name"
        case ConflictReason.COMPOSITE:
            reason = f"{made}; it has the name, and the composite tool of that name is not served"
    return _lost(reason, _rename(capability.kind))


def filter_step(entry: Traced, aggregation: Aggregation) -> Step:
    """Whether the settings leave the entry out."""
    if entry.setting is None:
        return Step(stage=Stage.FILTER, verdict=Verdict.PASS, reason=f"nothing filters {entry.capability.kind}s")
    path = _setting_path(entry.setting, entry.capability.backend, aggregation)
    says, change = _FILTERS[entry.setting, entry.is_shown]
    change = change.format(name=entry.capability.original)
    verdict = Verdict.PASS if entry.is_shown else Verdict.STOP
    return Step(stage=Stage.FILTER, verdict=verdict, reason=f"{path} {says}", change=change)


def limit_step(limits: RateLimits | None, store: StoreReport, kind: Kind, exposed: str) -> Step:
    """Rate limits come after admission; what is left of them is asked of nobody, and nothing is taken.

    `store` is how it went when the buckets were asked the last time.
    """
    terms = [] if limits is None else list(limits.terms(exposed if kind is Kind.TOOL else None))
    if not terms:
        return Step(stage=Stage.LIMIT, verdict=Verdict.PASS, reason="no limit is set")
    said = ", ".join(f"{describe(each)} {_LIMITS[limit]}" for limit, each in terms)
    if limits is None or not store.is_away:
        return Step(stage=Stage.LIMIT, verdict=Verdict.PASS, reason=f"limited to {said}; what is left is not looked at")
    away = f"limited to {said}, which cannot be checked now ({store.message})"
    if not limits.denies_unchecked:
        reason = f"{away}; {_ON_STORE_FAILURE} is allow, so that requests pass without limits"
        return Step(stage=Stage.LIMIT, verdict=Verdict.PASS, reason=reason)
    reason = f"{away}; {_ON_STORE_FAILURE} is deny"
    return Step(stage=Stage.LIMIT, verdict=Verdict.STOP, reason=reason, change="bring Redis back, or set it to allow")


def _setting_path(setting: FilterSetting, backend: str, aggregation: Aggregation) -> str:
    """Where the setting stands; that of a backend may come from an MCPToolConfig, wholly or in part."""
    if setting in (FilterSetting.DEFAULT, FilterSetting.EXCLUDE_ALL_TOOLS):
        return f"{AGGREGATION}.{setting}"
    entry = f"{AGGREGATION}.tools[workload={backend}]"
    own = entry if setting is FilterSetting.ENTRY else f"{entry}.{setting}"
    ref = next((each.tool_config_ref for each in aggregation.tools if each.workload == backend), None)
    return f"{own} with toolsFilter of the MCPToolConfig {ref.name!r}" if ref else own


def _made(entry: Traced, aggregation: Aggregation) -> str:
    """The exposed name and what it is made of."""
    capability = entry.capability
    if capability.kind in (Kind.RESOURCE, Kind.TEMPLATE):
        is_own = capability.exposed == capability.original
        return f"{capability.exposed!r} is the backend's own" if is_own else f"{capability.exposed!r} is for its page"
    parts = [f"{capability.exposed!r} is {capability.original!r} of backend {capability.backend!r}"]
    if entry.wanted != capability.original:
        is_prefixed = aggregation.conflict_resolution is ConflictResolution.PREFIX
        parts.append("with its prefix" if is_prefixed and entry.wanted.endswith(capability.original) else "renamed")
    if capability.exposed != entry.wanted:
        parts.append(f"made to fit {aggregation.tool_name_limit} characters of A-Z a-z 0-9 _ . -")
    return ", ".join(parts)


def _names(conflict: Conflict, but: str) -> str:
    claimants = {*conflict.losers, *((conflict.winner,) if conflict.winner else ())} - {but}
    return ", ".join(f"backend {name!r}" for name in sorted(claimants))


def _rename(kind: Kind) -> str:
    if kind is Kind.TOOL:
        return f"give one of them another name ({AGGREGATION}.tools, overrides), or use another conflictResolution"
    if kind is Kind.PROMPT:
        return f"use another {AGGREGATION}.conflictResolution"
    return "URIs are never rewritten: give the resource another URI at its server, or take one server out"


def _passed(reason: str) -> Step:
    return Step(stage=Stage.BACKEND, verdict=Verdict.PASS, reason=reason)


def _stop(reason: str, change: str) -> Step:
    return Step(stage=Stage.BACKEND, verdict=Verdict.STOP, reason=reason, change=change)


def _lost(reason: str, change: str) -> Step:
    return Step(stage=Stage.CONFLICT, verdict=Verdict.STOP, reason=reason, change=change)
