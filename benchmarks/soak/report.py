"""What a soak has to say at its end."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.soak.census import Census
from benchmarks.soak.judge import Verdict
from benchmarks.soak.ledger import Ledger
from benchmarks.soak.plan import Outage

_SHOWN = 10


@dataclass(frozen=True, slots=True)
class Report:
    """A finished run; `full` is the calls per second whose half was the load, `peak` MiB.

    `starved` is how many of its processes waited for a processor at a time, on average.
    """

    seed: int
    minutes: float
    full: float
    ledger: Ledger
    outages: tuple[Outage, ...]
    before: Census
    after: Census
    attacks: "Counter[str]"
    floods: int
    peak: float
    starved: float

    def text(self) -> str:
        """Tables for the terminal, the verdict last."""
        ledger = self.ledger
        parts = [
            f"half load: {self.full / 2:.0f} calls/s of {self.full:.0f}; callers vanished in {ledger.vanished} calls",
            _table(("request", *Verdict), self._answers()),
            _table(("excused answer", "count"), [(seen, str(n)) for seen, n in ledger.excuses.most_common(_SHOWN)]),
            _table(("outage", "count"), [(what, str(n)) for what, n in sorted(self._broken().items())]),
            _table(("attack", "times"), [(what, str(n)) for what, n in sorted(self.attacks.items())]),
            f"floods of the hostile backend: {self.floods}; most memory at any time: {self.peak:.0f} MiB",
            f"processes that waited for a processor at a time: {self.starved:.2f}",
            _table(("at rest", "after warm-up", "at the end"), self._held()),
        ]
        if ledger.violations:
            shown = [f"  {each}" for each in ledger.violations[:_SHOWN]]
            parts.append("\n".join([f"VIOLATED with seed {self.seed}, {len(ledger.violations)} times:", *shown]))
        else:
            parts.append(f"passed: {ledger.total(Verdict.RIGHT)} right answers in {self.minutes:g} minutes")
        return "\n\n".join(parts)

    def _answers(self) -> list[tuple[str, ...]]:
        kinds = sorted({kind for kind, _ in self.ledger.counts})
        return [(kind, *(str(self.ledger.counts[kind, verdict]) for verdict in Verdict)) for kind in kinds]

    def _held(self) -> list[tuple[str, ...]]:
        pairs = zip(self.before.cells(), self.after.cells(), strict=True)
        return [(name, old, new) for (name, old), (_, new) in pairs]

    def _broken(self) -> Counter[str]:
        return Counter(f"{each.name} {each.fault}" for each in self.outages)


def _table(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [tuple(heading), *map(tuple, rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(heading))]
    shown = [
        "  ".join(
            cell.rjust(width) if column else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in lines
    ]
    return "\n".join((shown[0], "-" * len(shown[0]), *shown[1:]))
