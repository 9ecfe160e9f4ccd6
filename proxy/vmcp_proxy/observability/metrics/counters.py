"""What hot paths count, with bounded label sets."""

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Final, Protocol, TypeAlias

from vmcp_proxy.observability.audit import Outcome
from vmcp_proxy.observability.metrics import families
from vmcp_proxy.observability.metrics.families import METHODS
from vmcp_proxy.observability.metrics.family import Family
from vmcp_proxy.observability.metrics.series import Key, Series, read_all
from vmcp_proxy.observability.metrics.snapshot import Snapshot

_OTHER: Final = "other"

Values: TypeAlias = float | Mapping[str, float] | Mapping[tuple[str, ...], float]
"""A single number, or numbers by label value; with several labels, by a tuple of values."""


class _Named(Protocol):
    @property
    def name(self) -> str: ...


class _WithMethod(Protocol):
    @property
    def method(self) -> str: ...


class BackendCalls:
    """Requests to one backend by one method: the span of every such call, for it keeps nothing of the single one."""

    __slots__ = ("_backend", "_method", "_series")

    headers: Final[tuple[tuple[bytes, bytes], ...]] = ()

    def __init__(self, series: dict[Key, Series], backend: str, method: str) -> None:
        self._series: Final = series
        self._backend: Final = backend
        self._method: Final = method

    def end(self, category: str | None, seconds: float) -> None:
        """Counts one request; `category` names why there was no answer, `None` is one."""
        key = (self._backend, self._method, category or "")
        series = self._series.get(key)
        if series is None:
            series = self._series[key] = Series()
        series.observe(seconds)


class Metrics:
    """Counters of one proxy.

    The hot path adds to plain dicts on the event loop, one series per combination of labels: the client
    library's own children take a lock and a linear walk over the buckets for each family. A snapshot copies them,
    and is summed up into families elsewhere.
    """

    def __init__(self) -> None:
        self._served: dict[Key, Series] = {}
        self._called: dict[Key, Series] = {}
        self._calls: dict[tuple[str, str], BackendCalls] = {}
        self._counted: dict[Family, dict[Key, float]] = {
            families.REJECTED: {},
            families.TOOL_ERRORS: {},
            families.POLICY_DECISIONS: {},
        }
        self._readers: dict[Family, Callable[[], Values]] = {}

    def on_request(self, method: str, status: int, outcome: Outcome, seconds: float) -> None:
        """Counts one MCP request that the dispatch answered (or broke on) with an HTTP status."""
        key = (method if method in METHODS else _OTHER, status, outcome)
        series = self._served.get(key)
        if series is None:
            series = self._served[key] = Series()
        series.observe(seconds)

    def begin(self, member: _Named, operation: _WithMethod) -> BackendCalls:
        """The span of a request to a backend: it counts when it ends."""
        method = operation.method
        calls = self._calls.get((member.name, method))
        if calls is None:
            label = method if method in METHODS else _OTHER
            calls = self._calls[member.name, label] = BackendCalls(self._called, member.name, label)
        return calls

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

    def on_tool_error(self, backend: str) -> None:
        """Counts one tool result with `isError`: the tool failed, the transport did not."""
        self.count(families.TOOL_ERRORS, backend)

    def on_decision(self, policies: Iterable[str], outcome: str, mode: str) -> None:
        """Counts one decision under each policy that made it come out so."""
        for policy in policies:
            self.count(families.POLICY_DECISIONS, policy, outcome, mode)

    def keep_policies(self, policies: Collection[str]) -> None:
        """Forgets what was counted under other ids: edits must not add up to series without end."""
        counts = self._counted[families.POLICY_DECISIONS]
        self._counted[families.POLICY_DECISIONS] = {key: count for key, count in counts.items() if key[0] in policies}

    def read_from(self, family: Family, reader: Callable[[], Values]) -> None:
        """Takes a family of `families.READ` from a callback, which runs at each snapshot on the event loop."""
        self._readers[family] = reader

    def snapshot(self) -> Snapshot:
        """Everything as it is now; call it on the event loop, and encode it elsewhere (that takes milliseconds)."""
        return Snapshot(
            served=read_all(self._served),
            called=read_all(self._called),
            counted={family: dict(counts) for family, counts in self._counted.items()},
            read={family: _by_key(reader()) for family, reader in self._readers.items()},
        )


def _by_key(values: Values) -> dict[Key, float]:
    if not isinstance(values, Mapping):
        return {(): values}
    return {(label,) if isinstance(label, str) else label: value for label, value in values.items()}
