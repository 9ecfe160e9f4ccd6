"""The members of a group as the pods see them, merged into one list."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from vmcp_api.config import ProxyConfig
from vmcp_api.kinds.virtualmcpserver import BackendHealth, BackendStatus, ConflictStatus, UnmatchedStatus
from vmcp_api.pod_status import WITHHELD, BackendReport, CircuitState, Counts, Health, PodStatus
from vmcp_api.trouble import moment
from vmcp_api.trouble.pods import is_ready, is_running
from vmcp_operator.plan.conditions import format_time
from vmcp_operator.plan.kinds import SERVER
from vmcp_operator.plan.members import ended_processes, failed_servers
from vmcp_operator.plan.status import read_parts
from vmcp_operator.plan.world import World

ROUTABLE: Final = frozenset({BackendHealth.READY, BackendHealth.DEGRADED, BackendHealth.UNAUTHENTICATED})
"""Backends that get calls; one that refuses our credentials may serve other callers."""

STARTING: Final = "Starting"
"""Reason of a server of ours that has not answered yet and still has time to come up."""

START_SECONDS: Final = 60.0
"""How long a member that has never answered is called starting."""

_STATUSES: Final[Mapping[str, BackendHealth]] = {
    Health.HEALTHY: BackendHealth.READY,
    Health.DEGRADED: BackendHealth.DEGRADED,
    Health.UNHEALTHY: BackendHealth.UNAVAILABLE,
    Health.UNAUTHENTICATED: BackendHealth.UNAUTHENTICATED,
    Health.UNKNOWN: BackendHealth.UNKNOWN,
    WITHHELD: BackendHealth.UNAVAILABLE,
}
_WORST_FIRST: Final = (
    BackendHealth.UNAVAILABLE,
    BackendHealth.DEGRADED,
    BackendHealth.UNAUTHENTICATED,
    BackendHealth.READY,
    BackendHealth.UNKNOWN,
)
_CIRCUITS: Final = (CircuitState.OPEN, CircuitState.HALF_OPEN, CircuitState.CLOSED)
"""States of a breaker, the worst of all pods first."""

_MESSAGE_LIMIT: Final = 1024
_MOST_CONFLICTS: Final = 256
_MOST_UNMATCHED: Final = 256


@dataclass(frozen=True, slots=True)
class PodReports:
    """The reports that count: of pods that run the present config where there are some, else of all that run."""

    all: tuple[PodStatus, ...] = ()
    ready: tuple[PodStatus | None, ...] = ()
    current: tuple[PodStatus, ...] = ()

    @property
    def reporting(self) -> tuple[PodStatus, ...]:
        """Those that tell how backends fare."""
        return self.current or self.all


def collect(world: World, digest: str | None) -> PodReports:
    """Sorts the reports of the pods; a ready pod that has not been heard counts as None."""
    pods = sorted(world.pods, key=lambda pod: pod["metadata"]["name"])
    running = [world.reports.get(pod["metadata"]["uid"]) for pod in pods if is_running(pod)]
    heard = tuple(report for report in running if report is not None)
    return PodReports(
        all=heard,
        ready=tuple(world.reports.get(pod["metadata"]["uid"]) for pod in pods if is_ready(pod)),
        current=tuple(report for report in heard if report.config_hash == digest),
    )


def build_backends(world: World, config: ProxyConfig | None, reports: PodReports) -> tuple[BackendStatus, ...]:
    """`status.backends`: every member of the config, sorted by name, two of one name as one."""
    if config is None:
        return ()
    before = {each.name: each for each in read_parts(BackendStatus, world.status, "backends")}
    failed, ended = failed_servers(world), ended_processes(world)
    entries: dict[str, BackendStatus] = {}
    for backend in config.backends:
        said = [each for report in reports.reporting for each in report.backends if each.name == backend.name]
        merged = _merge(backend.name, backend.kind, said)
        if backend.kind == SERVER.name and backend.name in ended and not merged.tools:
            merged = merged.model_copy(update={"status": BackendHealth.UNAVAILABLE, "message": ended[backend.name]})
        if said:
            may_start = backend.kind == SERVER.name and backend.name not in failed
            merged = _with_history(merged, before.get(backend.name), world.now, may_start=may_start)
        message = "; ".join(filter(None, (merged.message, _dropped(backend.name, reports))))
        entries[backend.name] = merged.model_copy(
            update={
                "url": backend.url,
                "transport": backend.transport.value,
                "auth_type": backend.outgoing_auth.type.value if backend.outgoing_auth else None,
                "message": message,
            }
        )
    for each in config.withheld:
        entries[each.name] = BackendStatus(
            name=each.name,
            kind=each.kind,
            status=BackendHealth.UNAVAILABLE,
            reason=str(each.reason),
            message=each.message[:_MESSAGE_LIMIT],
        )
    return tuple(_finish(entries[name], before.get(name), world) for name in sorted(entries))


def report_counts(reports: PodReports) -> Counts:
    """How much is served, as one pod tells; nothing until one has."""
    first = next(iter(reports.reporting), None)
    return first.counts if first else Counts()


def build_conflicts(reports: PodReports) -> tuple[ConflictStatus, ...]:
    """`status.conflicts`: names that several backends claim."""
    first = next(iter(reports.reporting), None)
    found = first.conflicts[:_MOST_CONFLICTS] if first else ()
    return tuple(
        ConflictStatus(
            kind=each.kind,
            name=each.name[:512],
            backends=(*((each.winner,) if each.winner else ()), *each.losers)[:_MOST_CONFLICTS],
            winner=each.winner or None,
        )
        for each in found
    )


def build_unmatched(reports: PodReports) -> tuple[UnmatchedStatus, ...]:
    """`status.unmatched`: entries of the settings of tools that fit nothing."""
    first = next(iter(reports.reporting), None)
    found = first.unmatched[:_MOST_UNMATCHED] if first else ()
    return tuple(UnmatchedStatus(backend=each.backend, setting=each.setting, name=each.name[:512]) for each in found)


def _merge(name: str, kind: str, said: Iterable[BackendReport]) -> BackendStatus:
    """One entry of what several pods say: the worst state, the first number that is known."""
    ranked = sorted(said, key=lambda each: _WORST_FIRST.index(_health(each)))
    if not ranked:
        return BackendStatus(name=name, kind=kind)
    worst = ranked[0]
    return BackendStatus(
        name=name,
        kind=kind,
        status=_health(worst),
        message="; ".join(filter(None, (worst.message, _callers(ranked)))),
        reason=worst.reason,
        circuit_state=next((state.value for state in _CIRCUITS if state in {each.circuit for each in ranked}), None),
        protocol_revision=next((each.revision for each in ranked if each.revision), None),
        tools=next((each.tools for each in ranked if each.tools is not None), None),
    )


def _callers(said: Iterable[BackendReport]) -> str:
    found = next((each.callers for each in said if each.callers), None)
    return f"callers get no token for it: {found}" if found else ""


def _health(report: BackendReport) -> BackendHealth:
    return _STATUSES.get(report.status, BackendHealth.UNKNOWN)


def _with_history(
    entry: BackendStatus, before: BackendStatus | None, now: datetime, *, may_start: bool
) -> BackendStatus:
    """What a moment does not show: a pod that has not looked yet knows less than the status, and a server comes up."""
    known = before or BackendStatus(name=entry.name, kind=entry.kind)
    is_new = known.status is BackendHealth.UNKNOWN
    if entry.status is BackendHealth.UNKNOWN:
        if is_new:
            return entry
        return entry.model_copy(update={"status": known.status, "reason": known.reason, "message": known.message})
    if entry.status is not BackendHealth.UNAVAILABLE or entry.reason or not may_start:
        return entry
    if is_new or (known.reason == STARTING and left_to_start(known, now) > 0):
        return entry.model_copy(update={"reason": STARTING})
    return entry


def left_to_start(entry: BackendStatus, now: datetime) -> float:
    """Seconds for which a member is still called starting."""
    since = moment(entry.last_transition_time)
    return START_SECONDS if since is None else START_SECONDS - (now - since).total_seconds()


def _dropped(name: str, reports: PodReports) -> str:
    first = next(iter(reports.reporting), None)
    lost = [f"{each.name}: {each.reason}" for each in first.dropped_tools if each.backend == name] if first else []
    return f"not served: {', '.join(lost)}" if lost else ""


def _finish(entry: BackendStatus, before: BackendStatus | None, world: World) -> BackendStatus:
    """The entry with what its schema takes of the message, and the time at which its status last changed."""
    kept = before.last_transition_time if before is not None and before.status == entry.status else None
    return entry.model_copy(
        update={
            "message": (entry.message or "")[:_MESSAGE_LIMIT] or None,
            "reason": entry.reason or None,
            "last_transition_time": kept or format_time(world.now),
        }
    )
