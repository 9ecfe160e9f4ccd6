"""Documents by the direction of their vectors."""

from collections.abc import Collection, Sequence
from typing import Final, Self

import numpy as np

from vmcp_proxy.search.ranking.vectors import Vector


class Cosines:
    """How near each document is to one query."""

    def __init__(self, values: Vector) -> None:
        self._values: Final = values

    def of(self, position: int) -> float:
        """That of one document, from -1 to 1."""
        return float(self._values[position])

    def best(self, depth: int, among: Collection[int] | None = None) -> list[int]:
        """The nearest documents, best first; equal ones in their order. `among` leaves out all others."""
        if among is None:
            best: list[int] = np.argsort(-self._values, kind="stable")[:depth].tolist()
            return best
        places = sorted(among)
        rows = np.argsort(-self._values[places], kind="stable")[:depth].tolist()
        return [places[row] for row in rows]


class VectorIndex:
    """One vector of length 1 for each document; zeros for a document that has none."""

    def __init__(self, matrix: Vector) -> None:
        self._matrix: Final = matrix

    @classmethod
    def build(cls, vectors: Sequence[bytes]) -> Self:
        """Of stored vectors, which are all of the same length, or empty for none."""
        size = max(map(len, vectors), default=0)
        empty = bytes(size)
        joined = b"".join(vector or empty for vector in vectors)
        return cls(np.frombuffer(joined, "<f2").astype(np.float32).reshape(len(vectors), size // 2))

    def compare(self, vector: bytes) -> Cosines:
        """All documents with a stored vector; 10 000 of 256 dimensions in about 2 ms."""
        # Not by BLAS, which would start threads for a product of a millisecond.
        return Cosines(np.einsum("ij,j->i", self._matrix, np.frombuffer(vector, "<f2").astype(np.float32)))
