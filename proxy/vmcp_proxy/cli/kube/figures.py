"""What two scrapes of the same pods say of the time between them. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import inf
from typing import Final, TypeAlias

from prometheus_client.parser import text_string_to_metric_families

Labels: TypeAlias = frozenset[tuple[str, str]]
Scrape: TypeAlias = Mapping[tuple[str, Labels], float]
"""A value by name and labels."""

_SERVED: Final = "mcp_server_operation_duration_seconds"
_CALLED: Final = "mcp_client_operation_duration_seconds"
_SESSIONS: Final = "vmcp_sessions"
_READ: Final = frozenset(
    {_SESSIONS, *(f"{name}_{part}" for name in (_SERVED, _CALLED) for part in ("count", "bucket"))}
)
_BACKEND: Final = "backend"
_SHARE: Final = 0.95
_MILLISECONDS: Final = 1_000.0


@dataclass(frozen=True, slots=True)
class Line:
    """What went to one backend, or through the whole endpoint.

    Requests a second, failed ones of a hundred, and the milliseconds within which 95 of a hundred were answered; None
    where there were no requests.
    """

    name: str
    rate: float
    errors: float | None
    p95: float | None


@dataclass(frozen=True, slots=True)
class Figures:
    """The endpoint, its backends, and its sessions now."""

    whole: Line
    backends: tuple[Line, ...]
    sessions: int


def parse_scrape(text: str) -> Scrape:
    """What is read here of a pod's `/metrics`."""
    samples = (each for family in text_string_to_metric_families(text) for each in family.samples)
    return {(each.name, frozenset(each.labels.items())): each.value for each in samples if each.name in _READ}


def figures_of(before: Iterable[Scrape], after: Iterable[Scrape], seconds: float) -> Figures:
    """The figures of all pods together; a pod that has restarted in between counts from zero."""
    grown: defaultdict[tuple[str, Labels], float] = defaultdict(float)
    sessions = 0.0
    for old, new in zip(before, after, strict=True):
        for key, value in new.items():
            was = old.get(key, 0.0)
            grown[key] += value - was if value >= was else value
        sessions += new.get((_SESSIONS, frozenset()), 0.0)
    names = {value for name, labels in grown if name == f"{_CALLED}_count" for key, value in labels if key == _BACKEND}
    backends = tuple(_line(grown, _CALLED, name, seconds) for name in sorted(names))
    return Figures(_line(grown, _SERVED, None, seconds), backends, int(sessions))


def _line(grown: Scrape, family: str, backend: str | None, seconds: float) -> Line:
    count = failed = 0.0
    buckets: defaultdict[float, float] = defaultdict(float)
    for (name, pairs), value in grown.items():
        labels = dict(pairs)
        if labels.get(_BACKEND) != backend:
            continue
        if name == f"{family}_count":
            count += value
            failed += value if labels.get("error_type") else 0.0
        elif name == f"{family}_bucket":
            buckets[float(labels["le"])] += value
    errors = 100 * failed / count if count else None
    return Line(backend or "", count / seconds, errors, quantile(buckets, _SHARE))


def quantile(buckets: Mapping[float, float], share: float) -> float | None:
    """The milliseconds within which a share of the observations lies, as Prometheus reads it off a histogram."""
    bounds = sorted(buckets)
    total = buckets[bounds[-1]] if bounds else 0.0
    if not total:
        return None
    below, under = 0.0, 0.0
    for bound in bounds:
        if buckets[bound] >= share * total:
            if bound == inf:
                return below * _MILLISECONDS
            within = buckets[bound] - under
            return (below + (bound - below) * (share * total - under) / within) * _MILLISECONDS
        below, under = bound, buckets[bound]
    return None
