"""The cells that hot paths add to."""

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

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


@dataclass(frozen=True, slots=True)
class Distribution:
    """A histogram as it was at one moment: counts by bucket (not cumulative), the last without bound, and the sum."""

    bounds: tuple[float, ...]
    counts: tuple[int, ...]
    total: float

    @property
    def count(self) -> int:
        """How many values there were."""
        return sum(self.counts)

    def __add__(self, other: "Distribution") -> "Distribution":
        counts = tuple(mine + theirs for mine, theirs in zip(self.counts, other.counts, strict=True))
        return Distribution(self.bounds, counts, self.total + other.total)


class Series:
    """One histogram that is added to: a list and a number, no lock."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...] = BUCKETS) -> None:
        self.bounds: Final = bounds
        self.counts: Final = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, seconds: float) -> None:
        """Takes one value in."""
        self.counts[bisect_left(self.bounds, seconds)] += 1
        self.total += seconds

    def read(self) -> Distribution:
        """The values so far."""
        return Distribution(self.bounds, tuple(self.counts), self.total)


def read_all(series: Mapping[Key, Series]) -> dict[Key, Distribution]:
    """The values so far of many."""
    return {key: each.read() for key, each in series.items()}
