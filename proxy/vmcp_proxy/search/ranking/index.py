"""An index of documents, and which of them fit a query, best first."""

from bisect import bisect_left
from collections.abc import Collection, Iterable, Sequence
from itertools import accumulate, islice
from math import log1p
from typing import TYPE_CHECKING, Final, Self

import msgspec

from vmcp_proxy.search.ranking.analysis import Document, Query
from vmcp_proxy.search.ranking.fusion import Ranking, fuse
from vmcp_proxy.search.ranking.weakness import is_weak

if TYPE_CHECKING:
    from vmcp_proxy.search.ranking.meaning import Meaning
    from vmcp_proxy.search.ranking.vector_index import Cosines, VectorIndex

SATURATION: Final = 1.2
"""BM25's `k1`: how soon more of the same term says no more."""
LENGTH_NORMALISATION: Final = 0.75
"""BM25's `b`: how far a long document has to say a term more often."""
TERMS_WEIGHT: Final = 0.75
VECTORS_WEIGHT: Final = 1.0
"""How much a ranking counts: what is near in meaning a little more than what has the same words (ADR-0066)."""
DEPTH: Final = 100
"""How many of each ranking are fused."""
MOST_READ: Final = 250_000
"""Postings that one search reads, 25 ms: of terms that have more together, those that the fewest documents have."""
HEAD: Final = 50
"""How many of each ranking are compared word by word."""


class Hit(msgspec.Struct, frozen=True, gc=False):
    """A document by its position among those of the index.

    `score` is between 0 and 1, and 1 for what every ranking has first; it compares hits of one answer and no others.
    `is_weak` where the document may well be none of what was asked for.
    """

    position: int
    score: float
    is_weak: bool


class Postings(msgspec.Struct, frozen=True, gc=False):
    """Where one term is, what it adds to the score of each of these documents, and how rare it is."""

    positions: tuple[int, ...]
    impacts: tuple[float, ...]
    rarity: float

    def has(self, position: int) -> bool:
        """Whether the document at this position has the term."""
        at = bisect_left(self.positions, position)
        return at < len(self.positions) and self.positions[at] == position


class Index:
    """Documents by their terms, with everything of the scores that no query changes, and by their vectors."""

    def __init__(
        self, postings: dict[str, Postings], documents: Sequence[Document], vectors: "VectorIndex | None"
    ) -> None:
        self._postings: Final = postings
        self._bags: Final = [document.words for document in documents]
        self._count: Final = len(documents)
        self._vectors: Final = vectors

    def __len__(self) -> int:
        return self._count

    @classmethod
    def build(cls, documents: Sequence[Document]) -> Self:
        """The index of these documents, about 20 ms for 1000 tools; all have vectors, or none has."""
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
        return cls(postings, documents, _vectors(documents))

    def search(
        self, query: Query, limit: int, further: Iterable[int] | None = None, among: Collection[int] | None = None
    ) -> tuple[Hit, ...]:
        """The best documents for the query, `limit` at most; equal scores in the order of the documents.

        `further` is one more ranking of the same documents, best first: that of a model elsewhere. `among` are the
        positions of those that may be found, all by default.
        """
        rankings: list[Ranking] = [(TERMS_WEIGHT, self._by_terms(query, among))]
        if further is not None:
            allowed = further if among is None else filter(set(among).__contains__, further)
            rankings.append((VECTORS_WEIGHT, list(islice(allowed, DEPTH))))
        cosines = self._vectors.compare(query.vector) if self._vectors is not None and query.vector else None
        if cosines is not None:
            rankings.append((VECTORS_WEIGHT, cosines.best(DEPTH, among)))
        meaning = self._meaning(query, cosines)
        if meaning is not None:
            heads = {position for _, ranking in rankings for position in islice(ranking, HEAD)}
            rankings.append((VECTORS_WEIGHT, meaning.by_words(sorted(heads))))
        best = dict(islice(fuse(rankings).items(), limit))
        told = meaning.of(best) if meaning is not None else dict.fromkeys(best)
        return tuple(Hit(position, best[position], self._is_weak(query, position, told[position])) for position in best)

    def _meaning(self, query: Query, cosines: "Cosines | None") -> "Meaning | None":
        if cosines is None or query.words is None:
            return None
        # Numpy is there where the vectors are.
        from vmcp_proxy.search.ranking.meaning import Meaning  # noqa: PLC0415

        weights = [query.weights.get(term, 0.0) * self._rarity(term) for term in query.words.terms]
        return Meaning(cosines, query.words, weights, self._bags)

    def _by_terms(self, query: Query, among: Collection[int] | None) -> list[int]:
        scores: dict[int, float] = {}
        for weight, postings in self._read(query):
            for position, impact in zip(postings.positions, postings.impacts, strict=True):
                scores[position] = scores.get(position, 0.0) + weight * impact
        if among is not None:
            scores = {position: scores[position] for position in among if position in scores}
        least = sorted(scores.values(), reverse=True)[:DEPTH][-1:] or [0.0]
        best = [(-score, position) for position, score in scores.items() if score >= least[0]]
        return [position for _, position in sorted(best)[:DEPTH]]

    def _read(self, query: Query) -> list[tuple[float, Postings]]:
        """What is read for a query, in the order of its terms, each with its weight; one of them in any case."""
        found = [(weight, self._postings[term]) for term, weight in query.weights.items() if term in self._postings]
        rarest = sorted(range(len(found)), key=lambda at: len(found[at][1].positions))
        ends = accumulate(len(found[at][1].positions) for at in rarest)
        read = {at for at, end in zip(rarest, ends, strict=True) if end <= MOST_READ}.union(rarest[:1])
        return [found[at] for at in sorted(read)]

    def _rarity(self, term: str) -> float:
        postings = self._postings.get(term)
        return _rarity(0, self._count) if postings is None else postings.rarity

    def _is_weak(self, query: Query, position: int, meaning: float | None) -> bool:
        said = total = 0.0
        terms = 0
        for term, weight in query.weights.items():
            postings = self._postings.get(term)
            total += weight * self._rarity(term)
            if postings is not None and postings.has(position):
                terms += 1
                said += weight * postings.rarity
        return is_weak(terms, said / total if total else 0.0, meaning)


def _vectors(documents: Sequence[Document]) -> "VectorIndex | None":
    if not any(document.vector for document in documents):
        return None
    # Numpy is there where the table is that the vectors are of.
    from vmcp_proxy.search.ranking.vector_index import VectorIndex  # noqa: PLC0415

    return VectorIndex.build([document.vector for document in documents])


def _rarity(frequency: int, count: int) -> float:
    return log1p((count - frequency + 0.5) / (frequency + 0.5))
