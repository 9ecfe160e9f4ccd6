"""The vectors of passages that were asked for, by the digests of their texts, within a bound."""

from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np

from vmcp_proxy.search.ranking.vectors import Vector

MAX_BYTES: Final = 64 << 20
"""Of vectors that are kept: 30 000 of 1024 numbers."""
IDLE_SECONDS: Final = 600.0
"""How long a vector that no search needs is kept where the bound is reached."""

_FULL_SECONDS: Final = 60.0
_OVERHEAD: Final = 200
_ROWS_AT_ONCE: Final = 512


class VectorStore:
    """Keeps vectors of one length. What is in use is not given up: it would be asked for again, and so for ever."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._max_bytes: Final = max_bytes
        self._vectors: dict[bytes, bytes] = {}
        self._used: dict[bytes, float] = {}
        self._bytes = 0
        self._full_until = 0.0

    def __len__(self) -> int:
        return len(self._vectors)

    @property
    def vector_bytes(self) -> int:
        """The length of each vector; 0 as long as there is none."""
        return next((len(vector) for vector in self._vectors.values() if vector), 0)

    def is_full(self, now: float) -> bool:
        """Whether a vector has found no place lately."""
        return now < self._full_until

    def missing(self, digests: Iterable[bytes], now: float) -> list[int]:
        """Which of these were never added, by their places; the others are in use from now on."""
        missing = []
        for place, digest in enumerate(digests):
            if digest in self._vectors:
                self._used[digest] = now
            else:
                missing.append(place)
        return missing

    def add(self, digest: bytes, vector: bytes, now: float) -> bool:
        """Keeps a vector, an empty one for a passage that has none; whether there was place for it."""
        cost = len(vector) + _OVERHEAD
        if digest in self._vectors:
            return True
        if self._bytes + cost > self._max_bytes:
            self._give_up(now - IDLE_SECONDS)
        if self._bytes + cost > self._max_bytes:
            self._full_until = now + _FULL_SECONDS
            return False
        self._vectors[digest] = vector
        self._used[digest] = now
        self._bytes += cost
        return True

    def clear(self) -> None:
        """Forgets all vectors."""
        self._vectors, self._used, self._bytes, self._full_until = {}, {}, 0, 0.0

    def vectors_of(self, digests: Sequence[bytes]) -> list[bytes]:
        """The vector of each; empty where there is none."""
        return [self._vectors.get(digest, b"") for digest in digests]

    def _give_up(self, before: float) -> None:
        for digest in [digest for digest, used in self._used.items() if used < before]:
            self._bytes -= len(self._vectors.pop(digest)) + _OVERHEAD
            del self._used[digest]


def nearest(vectors: Sequence[bytes], vector: bytes, depth: int) -> tuple[int, ...]:
    """The places of those that are nearest to a vector, best first; those that are empty or of another length are none.

    Takes about 2 ms for 1000 of 1024 numbers, for which memory is needed for a part at a time.
    """
    places = [place for place, each in enumerate(vectors) if len(each) == len(vector)]
    asked = np.frombuffer(vector, "<f2").astype(np.float32)
    cosines: Vector = np.zeros(len(places), np.float32)
    for first in range(0, len(places), _ROWS_AT_ONCE):
        part = b"".join([vectors[place] for place in places[first : first + _ROWS_AT_ONCE]])
        rows = np.frombuffer(part, "<f2").astype(np.float32).reshape(-1, len(asked))
        cosines[first : first + _ROWS_AT_ONCE] = np.einsum("ij,j->i", rows, asked)
    best = np.argsort(-cosines, kind="stable")[:depth].tolist()
    return tuple(places[row] for row in best)
