"""Several rankings made one by their ranks alone (reciprocal rank fusion, Cormack, Clarke and Büttcher 2009)."""

from collections.abc import Iterable, Sequence
from typing import Final, TypeAlias

CONSTANT: Final = 10
"""How far the first of one ranking may stand before those that stand well in all: the smaller, the farther."""


Ranking: TypeAlias = tuple[float, Iterable[int]]
"""How much a ranking counts, and its positions, best first."""


def fuse(rankings: Sequence[Ranking]) -> dict[int, float]:
    """Positions with their scores, best first: 1 for what stands first in every ranking.

    What is missing in a ranking gets nothing of it. Equal scores in the order of the positions.
    """
    best = sum(weight for weight, _ in rankings) / (CONSTANT + 1)
    scores: dict[int, float] = {}
    for weight, ranking in rankings:
        for rank, position in enumerate(ranking, 1):
            scores[position] = scores.get(position, 0.0) + weight / (CONSTANT + rank)
    ordered = sorted(scores.items(), key=lambda item: (-item[1], item[0]))
    return {position: score / best for position, score in ordered}
