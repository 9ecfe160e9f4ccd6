"""The cells that hot paths add to."""

import time
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Final, NamedTuple, TypeAlias

BUCKETS: Final = (
    0.0005,
    0.001,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    5.0,
    10.0,
    30.0,
    60.0,
    300.0,
)
"""Upper bounds of the duration histograms, in seconds."""

Key: TypeAlias = tuple[str | int, ...]
"""The values of a family's labels, in their order."""


class Exemplar(NamedTuple):
    """One value that was traced: whose span it was, and when it was seen (nanoseconds since 1970)."""

    trace_id: str
    span_id: str
    value: float
    at: int


@dataclass(frozen=True, slots=True)
class Distribution:
    """A histogram as it was at one moment: counts by bucket (not cumulative), the last without bound, and the sum.

    `since` is when it began to count, in nanoseconds since 1970; `exemplars` are the last of each bucket.
    """

    bounds: tuple[float, ...]
    counts: tuple[int, ...]
    total: float
    since: int
    exemplars: Mapping[int, Exemplar] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """How many values there were."""
        return sum(self.counts)

    def __add__(self, other: "Distribution") -> "Distribution":
        counts = tuple(mine + theirs for mine, theirs in zip(self.counts, other.counts, strict=True))
        exemplars = _newest(self.exemplars, other.exemplars)
        return Distribution(self.bounds, counts, self.total + other.total, min(self.since, other.since), exemplars)

    def coarser(self, bounds: tuple[float, ...]) -> "Distribution":
        """The same values in the buckets of some of these bounds."""
        upto = dict(zip(self.bounds, accumulate(self.counts), strict=False))
        cumulated = [*(upto[bound] for bound in bounds), self.count]
        counts = tuple(high - low for low, high in zip((0, *cumulated), cumulated, strict=False))
        exemplars: dict[int, Exemplar] = {}
        for each in sorted(self.exemplars.values(), key=lambda exemplar: exemplar.at):
            exemplars[bisect_left(bounds, each.value)] = each
        return Distribution(bounds, counts, self.total, self.since, exemplars)


class Series:
    """One histogram that is added to: a list and a number, no lock."""

    __slots__ = ("bounds", "counts", "exemplars", "since", "total")

    def __init__(self, bounds: tuple[float, ...] = BUCKETS) -> None:
        self.bounds: Final = bounds
        self.counts: Final = [0] * (len(bounds) + 1)
        self.total = 0.0
        self.since: Final = time.time_ns()
        self.exemplars: dict[int, Exemplar] = {}

    def observe(self, seconds: float) -> None:
        """Takes one value in."""
        self.counts[bisect_left(self.bounds, seconds)] += 1
        self.total += seconds

    def mark(self, seconds: float, trace_id: str, span_id: str) -> None:
        """Keeps whose value one was that has been taken in, in place of the former one of its bucket."""
        self.exemplars[bisect_left(self.bounds, seconds)] = Exemplar(trace_id, span_id, seconds, time.time_ns())

    def add(self, other: "Series") -> None:
        """Takes in all values of another one."""
        for position, count in enumerate(other.counts):
            self.counts[position] += count
        self.total += other.total

    def read(self) -> Distribution:
        """The values so far."""
        return Distribution(self.bounds, tuple(self.counts), self.total, self.since, dict(self.exemplars))


def read_all(series: Mapping[Key, Series]) -> dict[Key, Distribution]:
    """The values so far of many."""
    return {key: each.read() for key, each in series.items()}


def _newest(mine: Mapping[int, Exemplar], theirs: Mapping[int, Exemplar]) -> Mapping[int, Exemplar]:
    newest = dict(mine)
    for bucket, exemplar in theirs.items():
        if bucket not in newest or newest[bucket].at < exemplar.at:
            newest[bucket] = exemplar
    return newest
