"""The members of a group as the pods see them, merged into one list."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from vmcp_api.config import ProxyConfig
from vmcp_api.pod_status import WITHHELD, BackendReport, CircuitState, Health, PodStatus
from vmcp_operator.plan.conditions import format_time
from vmcp_operator.plan.kinds import SERVER
from vmcp_operator.plan.members import failed_servers
from vmcp_operator.plan.trouble import moment
from vmcp_operator.plan.trouble.pods import is_ready, is_running
from vmcp_operator.plan.world import World

ROUTABLE: Final = frozenset({"ready", "degraded", "unauthenticated"})
"""Backends that get calls; one that refuses our credentials may serve other callers."""

STARTING: Final = "Starting"
"""Reason of a server of ours that has not answered yet and still has time to come up."""

START_SECONDS: Final = 60.0
"""How long a member that has never answered is called starting."""

_STATUSES: Final[Mapping[str, str]] = {
    Health.HEALTHY: "ready",
    Health.DEGRADED: "degraded",
    Health.UNHEALTHY: "unavailable",
    Health.UNAUTHENTICATED: "unauthenticated",
    Health.UNKNOWN: "unknown",
    WITHHELD: "unavailable",
}
_WORST_FIRST: Final = ("unavailable", "degraded", "unauthenticated", "ready", "unknown")
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


def build_backends(world: World, config: ProxyConfig | None, reports: PodReports) -> list[dict[str, Any]]:
    """`status.backends`: every member of the config, sorted by name, two of one name as one."""
    if config is None:
        return []
    before = {each["name"]: each for each in world.status.get("backends") or ()}
    entries: dict[str, dict[str, Any]] = {}
    for backend in config.backends:
        said = [each for report in reports.reporting for each in report.backends if each.name == backend.name]
        entry = _merge(backend.name, backend.kind, said)
        entry = _with_history(entry, before.get(backend.name), world, is_told=bool(said))
        entry["url"] = backend.url
        entry["transport"] = backend.transport.value
        entry["message"] = "; ".join(filter(None, (entry["message"], _dropped(backend.name, reports))))
        entries[backend.name] = entry
    for each in config.withheld:
        entries[each.name] = {
            "name": each.name,
            "kind": each.kind,
            "status": "unavailable",
            "reason": str(each.reason),
            "message": each.message,
        }
    return [_finish(entries[name], before.get(name), world) for name in sorted(entries)]


def build_counts(reports: PodReports) -> dict[str, int]:
    """`status.toolCount` and its like; absent until a pod has told."""
    first = next(iter(reports.reporting), None)
    if first is None:
        return {}
    counts = first.counts
    told = {
        "toolCount": counts.tools,
        "resourceCount": counts.resources,
        "promptCount": counts.prompts,
        "contextBytes": counts.context_bytes,
    }
    return {name: count for name, count in told.items() if count is not None}


def build_conflicts(reports: PodReports) -> list[dict[str, Any]]:
    """`status.conflicts`: names that several backends claim."""
    first = next(iter(reports.reporting), None)
    if first is None:
        return []
    described: list[dict[str, Any]] = []
    for conflict in first.conflicts[:_MOST_CONFLICTS]:
        claimants = (*((conflict.winner,) if conflict.winner else ()), *conflict.losers)
        claimants = claimants[:_MOST_CONFLICTS]
        entry = {"kind": conflict.kind, "name": conflict.name[:512], "backends": list(claimants)}
        if conflict.winner:
            entry["winner"] = conflict.winner
        described.append(entry)
    return described


def build_unmatched(reports: PodReports) -> list[dict[str, Any]]:
    """`status.unmatched`: entries of the aggregation settings that fit nothing."""
    first = next(iter(reports.reporting), None)
    found = first.unmatched[:_MOST_UNMATCHED] if first else ()
    return [{"backend": each.backend, "setting": each.setting, "name": each.name[:512]} for each in found]


def _merge(name: str, kind: str, said: Iterable[BackendReport]) -> dict[str, Any]:
    """One entry of what several pods say: the worst state, the first number that is known."""
    ranked = sorted(said, key=lambda each: _WORST_FIRST.index(_STATUSES.get(each.status, "unknown")))
    if not ranked:
        return {"name": name, "kind": kind, "status": "unknown", "message": ""}
    worst = ranked[0]
    entry: dict[str, Any] = {
        "name": name,
        "kind": kind,
        "status": _STATUSES.get(worst.status, "unknown"),
        "message": worst.message,
        "reason": worst.reason,
        "circuitState": next((state.value for state in _CIRCUITS if state in {each.circuit for each in ranked}), None),
        "protocolRevision": next((each.revision for each in ranked if each.revision), None),
        "tools": next((each.tools for each in ranked if each.tools is not None), None),
    }
    return entry


def _with_history(
    entry: dict[str, Any], before: Mapping[str, Any] | None, world: World, *, is_told: bool
) -> dict[str, Any]:
    """What a moment does not show: a pod that has not looked yet knows less than the status, and a server comes up."""
    known = before or {}
    if entry["status"] == "unknown":
        is_known = is_told and known.get("status", "unknown") != "unknown"
        return {**entry, **{key: known.get(key, "") for key in ("status", "reason", "message")}} if is_known else entry
    is_ours = entry["kind"] == SERVER.name and entry["name"] not in failed_servers(world)
    if entry["status"] != "unavailable" or entry.get("reason") or not is_ours:
        return entry
    is_new = known.get("status", "unknown") == "unknown"
    if is_new or (known.get("reason") == STARTING and left_to_start(known, world.now) > 0):
        return {**entry, "reason": STARTING}
    return entry


def left_to_start(entry: Mapping[str, Any], now: datetime) -> float:
    """Seconds for which a member is still called starting."""
    since = moment(entry.get("lastTransitionTime"))
    return START_SECONDS if since is None else START_SECONDS - (now - since).total_seconds()


def _dropped(name: str, reports: PodReports) -> str:
    first = next(iter(reports.reporting), None)
    lost = [f"{each.name}: {each.reason}" for each in first.dropped_tools if each.backend == name] if first else []
    return f"not served: {', '.join(lost)}" if lost else ""


def _finish(entry: dict[str, Any], before: Mapping[str, Any] | None, world: World) -> dict[str, Any]:
    entry["message"] = entry["message"][:_MESSAGE_LIMIT]
    if before is not None and before.get("status") == entry["status"] and before.get("lastTransitionTime"):
        entry["lastTransitionTime"] = before["lastTransitionTime"]
    else:
        entry["lastTransitionTime"] = format_time(world.now)
    return {key: value for key, value in entry.items() if value not in (None, "")}
