"""What hot paths count, with bounded label sets."""

import time
from collections.abc import Callable, Collection, Mapping
from typing import Final, Protocol, TypeAlias

from vmcp_proxy.observability.audit import Outcome
from vmcp_proxy.observability.metrics import families
from vmcp_proxy.observability.metrics.backend_calls import CALL, OTHER, AllCalls, BackendCalls
from vmcp_proxy.observability.metrics.families import METHODS
from vmcp_proxy.observability.metrics.family import Family
from vmcp_proxy.observability.metrics.series import Key, Series, read_all
from vmcp_proxy.observability.metrics.snapshot import Snapshot

SESSION_BUCKETS: Final = (1.0, 10.0, 60.0, 300.0, 1800.0, 3600.0, 14_400.0, 43_200.0, 86_400.0, 604_800.0)
"""Upper bounds of the durations of sessions, in seconds."""

WORKFLOW_BUCKETS: Final = (0.01, 0.05, 0.25, 1.0, 5.0, 30.0, 300.0, 1800.0, 3600.0)
"""Upper bounds of the durations of workflows, in seconds."""

_MOST_DECISIONS: Final = 1024
"""Ways that decisions came about which are kept apart until somebody reads them."""

Values: TypeAlias = float | Mapping[str, float] | Mapping[tuple[str, ...], float]
"""A single number, or numbers by label value; with several labels, by a tuple of values."""


class _Named(Protocol):
    @property
    def name(self) -> str: ...


class _Operation(Protocol):
    @property
    def method(self) -> str: ...
    @property
    def name(self) -> str: ...


class Metrics:
    """Counters of one proxy.

    The hot path adds to plain dicts on the event loop, one series per combination of labels: the client
    library's own children take a lock and a linear walk over the buckets for each family. A snapshot copies them,
    and is summed up into families elsewhere.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._began: Final = time.time_ns()
        self._served: dict[Key, Series] = {}
        self._sessions: dict[Key, Series] = {}
        self._backend_sessions: dict[Key, Series] = {}
        self._workflows: dict[Key, Series] = {}
        self.calls: Final = AllCalls(clock)
        self._by_tool: Final = self.calls.by_tool
        self._by_method: Final = self.calls.by_method
        self._counted: dict[Family, dict[Key, float]] = {
            families.REJECTED: {},
            families.POLICY_DECISIONS: {},
            families.WORKFLOW_ERRORS: {},
            families.SEARCHES: {},
            families.SEARCH_CALLS: {},
        }
        # By all the policies that made a decision come out so: one addition for a call, however many they are.
        self._decided: Final[dict[tuple[tuple[str, ...], str, str], int]] = {}
        self._readers: dict[Family, Callable[[], Values]] = {}

    def on_request(
        self, method: str, status: int, outcome: Outcome, seconds: float, span: tuple[str, str] | None = None
    ) -> None:
        """Counts one MCP request that the dispatch answered (or broke on) with an HTTP status.

        `span` are the ids of its trace and span (hexadecimal) where it was traced.
        """
        key = (method if method in METHODS else OTHER, status, outcome)
        series = self._served.get(key)
        if series is None:
            series = self._served[key] = Series()
        series.observe(seconds)
        if span is not None:
            series.mark(seconds, *span)

    def begin(self, member: _Named, operation: _Operation) -> BackendCalls:
        """The span of a request to a backend: it counts when it ends."""
        method, backend = operation.method, member.name
        if method == CALL:
            tool = operation.name
            return self._by_tool.get((backend, tool)) or self.calls.of_tool(backend, tool)
        return self._by_method.get((backend, method)) or self.calls.of_method(backend, method)

    def on_session_end(self, protocol_version: str, seconds: float) -> None:
        """Counts one session of a client that is over on every pod."""
        _count_session(self._sessions, (protocol_version,), seconds)

    def on_backend_session_end(self, backend: str, protocol_version: str, error: str, seconds: float) -> None:
        """Counts one session with a backend that was opened here; `error` says what broke it, empty is its end."""
        _count_session(self._backend_sessions, (backend, protocol_version, error), seconds)

    def count(self, family: Family, *key: str | int) -> None:
        """Adds one to a counter that `families.COUNTED` names; `key` are the values of its labels, which are bounded.

        Raises:
            KeyError: nothing is kept for this family.
        """
        counts = self._counted[family]
        counts[key] = counts.get(key, 0) + 1

    def on_rejected(self, layer: str, status: int) -> None:
        """Counts one HTTP request that a layer outside telemetry refused."""
        self.count(families.REJECTED, layer, status)

    def on_tool_error(self, backend: str, tool: str) -> None:
        """Counts one tool result with `isError`: the tool failed, the transport did not."""
        self.calls.of_tool(backend, tool).tool_errors += 1

    def on_decision(self, policies: tuple[str, ...], outcome: str, mode: str) -> None:
        """Counts one decision under each policy that made it come out so."""
        key = policies, outcome, mode
        count = self._decided.get(key, 0)
        if not count and len(self._decided) >= _MOST_DECISIONS:
            self._share_out()
        self._decided[key] = count + 1

    def _share_out(self) -> None:
        """Counts decisions under each of their policies."""
        counts = self._counted[families.POLICY_DECISIONS]
        for (policies, outcome, mode), count in self._decided.items():
            for policy in policies:
                key = (policy, outcome, mode)
                counts[key] = counts.get(key, 0) + count
        self._decided.clear()

    def keep_policies(self, policies: Collection[str]) -> None:
        """Forgets what was counted under other ids: edits must not add up to series without end."""
        self._share_out()
        counts = self._counted[families.POLICY_DECISIONS]
        self._counted[families.POLICY_DECISIONS] = {key: count for key, count in counts.items() if key[0] in policies}

    def on_workflow(self, workflow: str, seconds: float, *, is_error: bool) -> None:
        """Counts one run of a composite tool that is over."""
        series = self._workflows.get((workflow,))
        if series is None:
            series = self._workflows[workflow,] = Series(WORKFLOW_BUCKETS)
        series.observe(seconds)
        if is_error:
            self.count(families.WORKFLOW_ERRORS, workflow)

    def keep_workflows(self, names: Collection[str]) -> None:
        """Forgets what was counted for others, as `keep_policies`."""
        errors = self._counted[families.WORKFLOW_ERRORS]
        self._counted[families.WORKFLOW_ERRORS] = {key: count for key, count in errors.items() if key[0] in names}
        self._workflows = {key: series for key, series in self._workflows.items() if key[0] in names}

    def on_search(self, outcome: str) -> None:
        """Counts one search for tools."""
        self.count(families.SEARCHES, outcome)

    def on_found_call(self, rank: str) -> None:
        """Counts one call of a tool that a search may have found; the rank is a bounded label."""
        self.count(families.SEARCH_CALLS, rank)

    def read_from(self, family: Family, reader: Callable[[], Values]) -> None:
        """Takes a family of `families.READ` from a callback, which runs at each snapshot on the event loop."""
        self._readers[family] = reader

    def snapshot(self) -> Snapshot:
        """Everything as it is now; call it on the event loop, and encode it elsewhere (that takes milliseconds)."""
        self.calls.sweep()
        self._share_out()
        return Snapshot(
            began=self._began,
            at=time.time_ns(),
            served=read_all(self._served),
            called=self.calls.read(),
            sessions=read_all(self._sessions),
            backend_sessions=read_all(self._backend_sessions),
            workflows=read_all(self._workflows),
            counted={
                families.TOOL_ERRORS: self.calls.tool_errors(),
                **{family: dict(counts) for family, counts in self._counted.items()},
            },
            read={family: _by_key(reader()) for family, reader in self._readers.items()},
        )


def _count_session(sessions: dict[Key, Series], key: Key, seconds: float) -> None:
    series = sessions.get(key)
    if series is None:
        series = sessions[key] = Series(SESSION_BUCKETS)
    series.observe(seconds)


def _by_key(values: Values) -> dict[Key, float]:
    if not isinstance(values, Mapping):
        return {(): values}
    return {(label,) if isinstance(label, str) else label: value for label, value in values.items()}
