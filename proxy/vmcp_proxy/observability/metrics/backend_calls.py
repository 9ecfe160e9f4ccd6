"""Requests to backends, by method and, of tools, by name: as many as are worth a series."""

import time
from collections.abc import Callable, Collection, Iterator
from typing import Final

from vmcp_proxy.observability.metrics.families import METHODS
from vmcp_proxy.observability.metrics.series import Distribution, Key, Series

MOST_TOOLS: Final = 500
"""Tools of all backends together that have series of their own; those beyond count as `other`."""

OTHER: Final = "other"
FORGOTTEN: Final = ""
"""Stands for tools that are not told apart any more: they count for their backend, and have no series."""

CALL: Final = "tools/call"

_QUIET_SECONDS: Final = 3600.0
_SWEEP_SECONDS: Final = 60.0


class BackendCalls:
    """Requests to one backend by one method: the span of every such call, for it keeps nothing of the single one.

    Calls of each tool have one of their own; `tool_errors` are those of its results that have `isError`.
    """

    __slots__ = ("answered", "counted", "failed", "quiet_since", "tool_errors")

    def __init__(self, now: float = 0.0) -> None:
        self.answered = Series()
        self.failed: dict[str, Series] = {}
        self.tool_errors = 0
        self.counted = 0
        self.quiet_since = now

    def end(self, category: str | None, seconds: float) -> None:
        """Counts one request; `category` names why there was no answer, `None` is one."""
        (self.answered if category is None else self.series_of(category)).observe(seconds)

    def mark(self, category: str | None, seconds: float, trace_id: str, span_id: str) -> None:
        """Keeps the span of a request that has been counted as an example of its duration."""
        series = self.answered if category is None else self.series_of(category)
        series.mark(seconds, trace_id, span_id)

    def read(self) -> Iterator[tuple[str, Distribution]]:
        """What was counted, by category, an answer's being empty."""
        for category, series in (("", self.answered), *self.failed.items()):
            seen = series.read()
            if seen.count:
                yield category, seen

    def is_quiet(self, now: float) -> bool:
        """Whether nothing was counted for a while, as far as somebody has looked."""
        count = sum(seen.count for _, seen in self.read())
        if count != self.counted:
            self.counted = count
            self.quiet_since = now
        return now - self.quiet_since >= _QUIET_SECONDS

    def move_to(self, other: "BackendCalls") -> None:
        """Counts in another one from here on, with all that was counted: sums over both go on as they were."""
        other.answered.add(self.answered)
        for category, series in self.failed.items():
            other.series_of(category).add(series)
        self.answered, self.failed = other.answered, other.failed

    def series_of(self, category: str) -> Series:
        """Those that ended in this way."""
        series = self.failed.get(category)
        if series is None:
            series = self.failed[category] = Series()
        return series


class AllCalls:
    """Every `BackendCalls` there is.

    A tool is counted under the name that clients know, of a catalog that some caller had: it gets a series with its
    first call, and loses it when it is in the catalog no more (`served` says what is) and was not called for an hour.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.by_method: Final[dict[tuple[str, str], BackendCalls]] = {}
        self.by_tool: Final[dict[tuple[str, str], BackendCalls]] = {}
        self.served: Callable[[], Collection[tuple[str, str]]] = tuple
        self._rest: Final[dict[tuple[str, str], BackendCalls]] = {}
        self._clock: Final = clock
        self._swept = clock()

    def of_method(self, backend: str, method: str) -> BackendCalls:
        """The calls by a method other than that of tools."""
        key = (backend, method if method in METHODS else OTHER)
        return self.by_method.setdefault(key, BackendCalls())

    def of_tool(self, backend: str, tool: str) -> BackendCalls:
        """The calls of a tool, or those of the backend's tools that there is no room for."""
        calls = self.by_tool.get((backend, tool))
        if calls is not None:
            return calls
        if len(self.by_tool) >= MOST_TOOLS:
            self.sweep()
        if len(self.by_tool) >= MOST_TOOLS:
            return self._rest.setdefault((backend, OTHER), BackendCalls())
        calls = self.by_tool[backend, tool] = BackendCalls(self._clock())
        return calls

    def sweep(self) -> None:
        """Forgets tools that are gone; not more often than each minute."""
        now = self._clock()
        if now - self._swept < _SWEEP_SECONDS:
            return
        self._swept = now
        quiet = [key for key, calls in self.by_tool.items() if calls.is_quiet(now)]
        if not quiet:
            return
        for key in set(quiet).difference(self.served()):
            self.by_tool.pop(key).move_to(self._rest.setdefault((key[0], FORGOTTEN), BackendCalls()))

    def read(self) -> dict[Key, Distribution]:
        """What was counted, by (backend, method, tool, category); only calls of tools have a tool."""
        counted: dict[Key, Distribution] = {}
        for (backend, method), calls in self.by_method.items():
            for category, seen in calls.read():
                counted[backend, method, FORGOTTEN, category] = seen
        for (backend, tool), calls in (*self.by_tool.items(), *self._rest.items()):
            for category, seen in calls.read():
                key = (backend, CALL, tool, category)
                counted[key] = counted[key] + seen if key in counted else seen
        return counted

    def tool_errors(self) -> dict[Key, float]:
        """Results with `isError`, by (backend, tool)."""
        errors: dict[Key, float] = {}
        for key, calls in (*self.by_tool.items(), *self._rest.items()):
            if calls.tool_errors and key[1] != FORGOTTEN:
                errors[key] = errors.get(key, 0) + calls.tool_errors
        return errors
