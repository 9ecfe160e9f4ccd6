"""What a metric is: its name, kind, unit and labels, in the words of OpenTelemetry and in those of Prometheus."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

_SUFFIXES: Final = {"s": "_seconds", "By": "_bytes"}


class Kind(StrEnum):
    """What the numbers of a family mean."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True, eq=False)
class Family:
    """Numbers of one meaning, told apart by labels; compared by identity, for they are keys of hot paths.

    `name` and `attributes` are OpenTelemetry's, `unit` is of UCUM (`s`, `By`, `{request}`). What Prometheus calls them
    follows by the rules of OpenTelemetry's own translation, so that one dashboard serves for both ways.
    """

    name: str
    kind: Kind
    unit: str
    help: str
    attributes: tuple[str, ...] = ()

    @property
    def labels(self) -> tuple[str, ...]:
        """The attributes as labels of Prometheus."""
        return tuple(each.replace(".", "_") for each in self.attributes)

    @property
    def exposed(self) -> str:
        """The name in a scrape, without the `_total` that samples of a counter carry."""
        return self.name.replace(".", "_") + _SUFFIXES.get(self.unit, "")

    @property
    def sampled(self) -> str:
        """The name to ask Prometheus by; a histogram's stands before `_bucket`, `_sum` and `_count`."""
        return f"{self.exposed}_total" if self.kind is Kind.COUNTER else self.exposed
