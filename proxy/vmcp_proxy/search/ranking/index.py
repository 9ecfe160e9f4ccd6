"""An index of documents, and which of them fit a query, best first."""

from collections.abc import Sequence
from heapq import nlargest
from math import log1p
from typing import Final, Self

import msgspec

from vmcp_proxy.search.ranking.analysis import Document, Query

SATURATION: Final = 1.2
"""BM25's `k1`: how soon more of the same term says no more."""
LENGTH_NORMALISATION: Final = 0.75
"""BM25's `b`: how far a long document has to say a term more often."""


class Hit(msgspec.Struct, frozen=True, gc=False):
    """A document by its position among those of the index; `score` is for comparison within one answer alone.

    `is_weak` where it may well be none of what was asked for.
    """

    position: int
    score: float
    is_weak: bool


class Postings(msgspec.Struct, frozen=True, gc=False):
    """Where one term is, and what it adds to the score of each of these documents."""

    positions: tuple[int, ...]
    impacts: tuple[float, ...]
    rarity: float


class Index:
    """Documents by their terms, with everything of the scores that no query changes."""

    def __init__(self, postings: dict[str, Postings], count: int) -> None:
        self._postings: Final = postings
        self._count: Final = count

    def __len__(self) -> int:
        return self._count

    @classmethod
    def build(cls, documents: Sequence[Document]) -> Self:
        """The index of these documents; their numbers of terms decide how long it takes, about 20 ms for 1000 tools."""
        found: dict[str, list[int]] = {}
        for position, document in enumerate(documents):
            for term in document.counts:
                found.setdefault(term, []).append(position)
        average = sum(each.length for each in documents) / len(documents) if documents else 1.0
        scales = [
            SATURATION * (1 - LENGTH_NORMALISATION + LENGTH_NORMALISATION * each.length / (average or 1.0))
            for each in documents
        ]
        postings: dict[str, Postings] = {}
        for term, positions in found.items():
            rarity = _rarity(len(positions), len(documents))
            counts = [documents[position].counts[term] for position in positions]
            impacts = tuple(
                rarity * count * (SATURATION + 1) / (count + scales[position])
                for position, count in zip(positions, counts, strict=True)
            )
            postings[term] = Postings(tuple(positions), impacts, rarity)
        return cls(postings, len(documents))

    def search(self, query: Query, limit: int) -> tuple[Hit, ...]:
        """The best documents for the query, `limit` at most; equal scores in the order of the documents."""
        scores: dict[int, float] = {}
        for term, weight in query.weights.items():
            postings = self._postings.get(term)
            if postings is not None:
                for position, impact in zip(postings.positions, postings.impacts, strict=True):
                    scores[position] = scores.get(position, 0.0) + weight * impact
        best = nlargest(limit, scores.items(), key=lambda item: (item[1], -item[0]))
        return tuple(Hit(position, score, is_weak=False) for position, score in best)


def _rarity(frequency: int, count: int) -> float:
    return log1p((count - frequency + 0.5) / (frequency + 0.5))
