"""What the vectors say of the documents of an index for one query: as a whole, and word by word."""

from collections.abc import Iterable, Sequence
from typing import Final

from vmcp_proxy.search.ranking.vector_index import Cosines
from vmcp_proxy.search.ranking.word_bags import QueryWords, WordBag, nearness


class Meaning:
    """`cosines` are of all documents as a whole; word by word they are compared when they are asked for, and once."""

    def __init__(
        self, cosines: Cosines, words: QueryWords, weights: Sequence[float], bags: Sequence[WordBag | None]
    ) -> None:
        self._cosines: Final = cosines
        self._words: Final = words
        self._weights: Final = weights
        self._bags: Final = bags
        self._near: dict[int, float] = {}

    def by_words(self, positions: Sequence[int]) -> list[int]:
        """These documents, those first whose words are the nearest; equal ones in the order given."""
        self._compare(positions)
        return sorted(positions, key=lambda position: -self._near[position])

    def of(self, positions: Iterable[int]) -> dict[int, float]:
        """How near these documents are as a whole and word by word, together: from -2 to 2."""
        asked = list(positions)
        self._compare([position for position in asked if position not in self._near])
        return {position: self._cosines.of(position) + self._near[position] for position in asked}

    def _compare(self, positions: Sequence[int]) -> None:
        found = nearness(self._words, self._weights, [self._bags[position] for position in positions])
        self._near.update(zip(positions, found, strict=True))
