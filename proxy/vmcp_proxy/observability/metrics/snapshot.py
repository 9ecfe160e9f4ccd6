"""All numbers as they were at one moment, summed up into families by whoever shows them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from vmcp_proxy.observability.audit import Outcome
from vmcp_proxy.observability.metrics import families
from vmcp_proxy.observability.metrics.family import Family
from vmcp_proxy.observability.metrics.measured import Measured
from vmcp_proxy.observability.metrics.series import Distribution, Key

_CALL: Final = "tools/call"
_TOOL_ERROR: Final = "tool_error"
"""What the conventions call a result with `isError`."""

TOOL_BUCKETS: Final = (0.01, 0.05, 0.25, 1.0, 5.0, 30.0, 300.0)
"""Upper bounds of the durations by tool, in seconds: some of `BUCKETS`, for there may be many tools."""

Distributions: TypeAlias = Mapping[Key, Distribution]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Copies of the counters; all that is expensive may be done with it in another thread.

    `served` are requests by (method, status, outcome), `called` those to backends by (backend, method, tool, category),
    `sessions` those that are over by revision, `backend_sessions` by (backend, revision, error), `workflows` runs of
    composite tools by name. `began` and `at` are nanoseconds since 1970.
    """

    began: int
    at: int
    served: Distributions
    called: Distributions
    sessions: Distributions
    backend_sessions: Distributions
    workflows: Distributions
    counted: Mapping[Family, Mapping[Key, float]]
    read: Mapping[Family, Mapping[Key, float]]

    def measured(self) -> Iterator[Measured]:
        """Every family with its values."""
        yield from self._served()
        yield from self._called()
        yield from self._tools()
        yield Measured(families.SESSION_DURATION, self.sessions)
        yield Measured(families.BACKEND_SESSION_DURATION, self.backend_sessions)
        yield Measured(families.WORKFLOW_EXECUTIONS, {key: seen.count for key, seen in self.workflows.items()})
        yield Measured(families.WORKFLOW_DURATION, self.workflows)
        for numbers in (self.counted, self.read):
            for family, values in numbers.items():
                yield Measured(family, values)

    def render(self, accept: str) -> tuple[bytes, str]:
        """The exposition text and its media type for an `Accept` header (Prometheus or OpenMetrics text)."""
        # Imported by the first scrape, in its thread.
        from vmcp_proxy.observability.metrics import prometheus  # noqa: PLC0415

        return prometheus.render(self.measured(), accept)

    def _served(self) -> Iterator[Measured]:
        requests: dict[Key, float] = {}
        durations: dict[Key, Distribution] = {}
        for (method, status, outcome), seen in self.served.items():
            _count(requests, (method, status), seen)
            _sum(durations, (method, _error_type(method, outcome)), seen)
        yield Measured(families.REQUESTS, requests)
        yield Measured(families.OPERATIONS, durations)

    def _called(self) -> Iterator[Measured]:
        requests: dict[Key, float] = {}
        errors: dict[Key, float] = {}
        durations: dict[Key, Distribution] = {}
        for (backend, method, _, category), seen in self.called.items():
            _count(requests, (backend, method), seen)
            if category:
                _count(errors, (backend, category), seen)
            _sum(durations, (method, backend, category), seen)
        yield Measured(families.BACKEND_REQUESTS, requests)
        yield Measured(families.BACKEND_ERRORS, errors)
        yield Measured(families.BACKEND_OPERATIONS, durations)

    def _tools(self) -> Iterator[Measured]:
        calls: dict[Key, float] = {}
        durations: dict[Key, Distribution] = {}
        for (backend, _, tool, category), seen in self.called.items():
            if tool:
                _count(calls, (backend, tool, category), seen)
                _sum(durations, (backend, tool), seen)
        yield Measured(families.TOOL_CALLS, calls)
        coarse = {key: seen.coarser(TOOL_BUCKETS) for key, seen in durations.items()}
        yield Measured(families.TOOL_DURATION, coarse)


def _error_type(method: str | int, outcome: str | int) -> str:
    if outcome == Outcome.SUCCESS:
        return ""
    return _TOOL_ERROR if outcome == Outcome.APPLICATION_ERROR and method == _CALL else str(outcome)


def _count(counts: dict[Key, float], key: Key, seen: Distribution) -> None:
    counts[key] = counts.get(key, 0) + seen.count


def _sum(sums: dict[Key, Distribution], key: Key, seen: Distribution) -> None:
    former = sums.get(key)
    sums[key] = seen if former is None else former + seen
