"""The figures of a run: one value for each turn, medians of them, ratios turn by turn."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

MIB = 1 << 20
KIB = 1 << 10


@dataclass(frozen=True, slots=True)
class Metric:
    """One column: its key, its heading with the unit, and how many digits after the point are worth showing."""

    key: str
    heading: str
    digits: int = 0


@dataclass(frozen=True, slots=True)
class Row:
    """What one contender showed in one case; `values` has one entry for each turn, `note` says why there is none."""

    case: str
    contender: str
    values: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    note: str = ""

    def median(self, key: str) -> float | None:
        """The median over the turns; None where it was not measured."""
        values = self.values.get(key, ())
        return statistics.median(values) if values else None


@dataclass(frozen=True, slots=True)
class Result:
    """All that one workload found; `target` is what the project aims at, in words."""

    workload: str
    title: str
    target: str
    metrics: tuple[Metric, ...]
    rows: tuple[Row, ...]

    def find(self, case: str, contender: str) -> Row | None:
        """The row of a contender in a case."""
        return next((row for row in self.rows if row.case == case and row.contender == contender), None)

    @property
    def cases(self) -> tuple[str, ...]:
        """The cases in the order of the rows."""
        return tuple(dict.fromkeys(row.case for row in self.rows))


def ratios(mine: Sequence[float], theirs: Sequence[float]) -> tuple[float, ...]:
    """Turn by turn: a machine that slows down in one turn slows both. Turns without a measurement are left out."""
    return tuple(one / other for one, other in zip(mine, theirs, strict=False) if one and other)


def transposed(turns: Sequence[Mapping[str, float]]) -> dict[str, tuple[float, ...]]:
    """The values by metric of a list of turns."""
    keys = dict.fromkeys(key for turn in turns for key in turn)
    return {key: tuple(turn[key] for turn in turns if key in turn) for key in keys}


def shown(value: float | None, digits: int) -> str:
    """A figure for a table."""
    return "-" if value is None else f"{value:,.{digits}f}".replace(",", " ")


def document(results: Sequence[Result], about: Mapping[str, Any]) -> dict[str, Any]:
    """All of a run as JSON values: what it was, and each turn of each row."""
    return {"about": dict(about), "results": [asdict(each) for each in results]}


def results_of(document: Mapping[str, Any]) -> tuple[Result, ...]:
    """The results in a document that `document` made."""
    return tuple(_result_of(each) for each in document["results"])


def _result_of(raw: Mapping[str, Any]) -> Result:
    metrics = tuple(Metric(**each) for each in raw["metrics"])
    rows = tuple(
        Row(
            each["case"],
            each["contender"],
            {key: tuple(values) for key, values in each["values"].items()},
            each["note"],
        )
        for each in raw["rows"]
    )
    return Result(raw["workload"], raw["title"], raw["target"], metrics, rows)
