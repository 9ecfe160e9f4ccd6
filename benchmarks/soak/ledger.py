"""What a soak has seen so far, and the first thing that must not be."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field

from benchmarks.soak.judge import STARVED, Judgement, Verdict

_FATAL = (Verdict.CROSSED, Verdict.LOST, Verdict.WRONG)


@dataclass(slots=True)
class Ledger:
    """Counts by kind of request and verdict; `violated` is set with the first violation."""

    counts: Counter[tuple[str, Verdict]] = field(default_factory=Counter)
    excuses: Counter[str] = field(default_factory=Counter)
    vanished: int = 0
    violations: list[str] = field(default_factory=list)
    violated: asyncio.Event = field(default_factory=asyncio.Event)

    def note(self, kind: str, judgement: Judgement, at: float) -> None:
        """Counts one answer."""
        self.counts[kind, judgement.verdict] += 1
        if judgement.verdict is Verdict.EXCUSED:
            self.excuses[judgement.seen] += 1
        if judgement.verdict in _FATAL:
            self.violate(f"{judgement.verdict} at {at:.2f} s: {judgement.seen}")

    def violate(self, text: str) -> None:
        """Notes a violation."""
        self.violations.append(text)
        self.violated.set()

    @property
    def starved(self) -> int:
        """How many answers were excused because there was no processor."""
        return sum(count for seen, count in self.excuses.items() if seen.endswith(STARVED))

    def total(self, verdict: Verdict) -> int:
        """How many answers of all kinds had a verdict."""
        return sum(count for (_, seen), count in self.counts.items() if seen is verdict)
