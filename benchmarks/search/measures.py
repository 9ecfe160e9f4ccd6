"""What a ranking is worth: recall, reciprocal rank, and how far the mark of weak answers can be believed."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final, Self

CUT: Final = 8
"""Ranks that recall counts: as many as `find_tool` returns where nothing else is set."""
DEPTH: Final = 50
"""Ranks in which the first relevant tool is looked for; beyond, the reciprocal rank is 0."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The keys of found tools, best first, and whether the first of them is marked as weak; an empty answer is weak."""

    ranked: tuple[str, ...]
    is_weak: bool


@dataclass(frozen=True, slots=True)
class Quality:
    """Means over some topics, each from 0 to 1."""

    recall: float
    mrr: float
    topics: int

    @classmethod
    def of(cls, judged: Sequence[tuple[Answer, AbstractSet[str]]]) -> Self:
        """The quality of these answers, each with the keys that are relevant."""
        count = len(judged)
        return cls(
            recall=sum(recall(answer.ranked, relevant) for answer, relevant in judged) / count,
            mrr=sum(reciprocal_rank(answer.ranked, relevant) for answer, relevant in judged) / count,
            topics=count,
        )


@dataclass(frozen=True, slots=True)
class Marks:
    """How well the mark of weak answers tells topics that no tool serves from others.

    `caught` is the share of unserved topics that are marked (the mark's recall). `right` is the share of marked topics,
    of both sorts, without a relevant tool among the first `CUT` (its precision; 1 where none is marked).
    `false_alarms` is the share of topics with a relevant tool among the first `CUT` that are marked all the same.
    """

    caught: float
    right: float
    false_alarms: float

    @classmethod
    def of(cls, served: Sequence[tuple[Answer, AbstractSet[str]]], unserved: Sequence[Answer]) -> Self:
        """The marks of these answers."""
        caught = sum(answer.is_weak for answer in unserved)
        good = [answer for answer, relevant in served if recall(answer.ranked, relevant) > 0]
        marked = caught + sum(answer.is_weak for answer, _ in served)
        alarms = sum(answer.is_weak for answer in good)
        return cls(
            caught=caught / len(unserved) if unserved else 1.0,
            right=(marked - alarms) / marked if marked else 1.0,
            false_alarms=alarms / len(good) if good else 0.0,
        )


def recall(ranked: Sequence[str], relevant: AbstractSet[str]) -> float:
    """The share of relevant keys among the first `CUT`; of more relevant ones than that, `CUT` are enough."""
    return len(relevant & set(ranked[:CUT])) / min(len(relevant), CUT)


def reciprocal_rank(ranked: Sequence[str], relevant: AbstractSet[str]) -> float:
    """1 for a relevant key at the first rank, 1/2 at the second, and so on; 0 where there is none."""
    return next((1 / rank for rank, key in enumerate(ranked, 1) if key in relevant), 0.0)
