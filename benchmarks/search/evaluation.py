"""What each contender reaches on a collection: as a whole, by kind of query, and by language."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.search.collection import KINDS, Collection, Topic
from benchmarks.search.contenders import Contender
from benchmarks.search.measures import Answer, Marks, Quality

ALL: Final = "all"
"""The slice of all served topics."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One contender: its quality by slice (`all`, a kind, a language), its marks, and the topics with their answers."""

    contender: str
    quality: dict[str, Quality]
    marks: Marks | None
    answers: tuple[tuple[Topic, Answer], ...]


def evaluate(collection: Collection, contenders: Sequence[Contender]) -> list[Evaluation]:
    """Every contender on every topic."""
    return [_evaluate(collection, each) for each in contenders]


def slices(collection: Collection) -> list[str]:
    """The slices that the collection has topics for: all of them, then kinds, then languages as they first come."""
    kinds = {each.kind for each in collection.served}
    languages = dict.fromkeys(each.language for each in collection.served)
    return [ALL, *(kind for kind in KINDS if kind in kinds), *languages]


def _evaluate(collection: Collection, contender: Contender) -> Evaluation:
    answers = list(zip(collection.topics, contender.search(collection.topics), strict=True))
    served = [(topic, answer) for topic, answer in answers if topic.relevant]
    unserved = [answer for topic, answer in answers if not topic.relevant]
    judged = [(answer, topic.relevant) for topic, answer in served]
    return Evaluation(
        contender=contender.name,
        quality={part: Quality.of(list(_of(part, served))) for part in slices(collection)},
        marks=Marks.of(judged, unserved) if contender.marks and unserved else None,
        answers=tuple(answers),
    )


def _of(part: str, served: Sequence[tuple[Topic, Answer]]) -> Iterator[tuple[Answer, frozenset[str]]]:
    return ((answer, topic.relevant) for topic, answer in served if part in (ALL, topic.kind, topic.language))
