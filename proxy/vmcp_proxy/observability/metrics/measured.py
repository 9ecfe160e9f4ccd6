"""A family with its values: what a scrape and OTLP are made of."""

from collections.abc import Mapping
from dataclasses import dataclass

from vmcp_proxy.observability.metrics.family import Family
from vmcp_proxy.observability.metrics.series import Distribution, Key


@dataclass(frozen=True, slots=True)
class Measured:
    """The values of one family by those of its labels; distributions where it is a histogram."""

    family: Family
    values: Mapping[Key, float | Distribution]
