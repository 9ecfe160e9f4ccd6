"""Which steps begin when: decided without I/O, each time that a step is over (ADR-0051).

There are no levels: a step is ready as soon as all that it depends on is over, whatever became of it. A workflow thus
takes no longer than its critical path; where more are ready than may run at once, those begin that stand first.
"""

import heapq
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final


class Verdict(Enum):
    """What the end of a step means for those that have not begun."""

    GO_ON = auto()
    """It has completed, was skipped by its condition, or has failed and may."""
    SKIP_REMAINING = auto()
    """Nothing begins any more; what runs finishes."""
    ABORT = auto()
    """Nothing begins any more, and what runs is to be cancelled."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The graph, by the positions of the steps: how many each one waits for, and which ones wait for it."""

    waits: tuple[int, ...]
    followers: tuple[tuple[int, ...], ...]

    @classmethod
    def of(cls, dependencies: Sequence[Collection[int]]) -> "Plan":
        """The plan of steps that depend on these positions; it is acyclic, or those of a cycle never begin."""
        followers: list[list[int]] = [[] for _ in dependencies]
        for step, needs in enumerate(dependencies):
            for need in needs:
                followers[need].append(step)
        return cls(tuple(len(needs) for needs in dependencies), tuple(map(tuple, followers)))


class Schedule:
    """The state of one run: `begin` it, say what is `over`, and start what each of both returns.

    `running` are the steps that were returned and are not over; `verdict` is the gravest one so far.
    """

    def __init__(self, plan: Plan, parallel: int) -> None:
        self.running: Final[set[int]] = set()
        self.verdict = Verdict.GO_ON
        self._followers: Final = plan.followers
        self._parallel: Final = parallel
        self._waits: Final = list(plan.waits)
        self._ready: Final = [step for step, waits in enumerate(plan.waits) if not waits]

    def begin(self) -> list[int]:
        """The steps to start with."""
        return self._next()

    def over(self, step: int, verdict: Verdict = Verdict.GO_ON) -> list[int]:
        """The steps to start now that this one is over."""
        self.running.remove(step)
        if verdict is not Verdict.GO_ON and self.verdict is not Verdict.ABORT:
            self.verdict = verdict
        if self.verdict is not Verdict.GO_ON:
            return []
        for follower in self._followers[step]:
            self._waits[follower] -= 1
            if not self._waits[follower]:
                heapq.heappush(self._ready, follower)
        return self._next()

    def _next(self) -> list[int]:
        started = []
        while self._ready and len(self.running) < self._parallel:
            step = heapq.heappop(self._ready)
            self.running.add(step)
            started.append(step)
        return started
