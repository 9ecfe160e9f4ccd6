"""Vectors of words, learned beforehand: no model runs, a text is the sum of what its words mean by themselves."""

from collections.abc import Collection, Iterable
from typing import BinaryIO, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from vmcp_proxy.search.ranking.word_pieces import WordPieces

Vector: TypeAlias = npt.NDArray[np.float32]

_ROWS_AT_ONCE: Final = 500
_SMALLEST: Final = np.float32(1e-12)


class StaticTable:
    """The rows of the table, a byte for each number and a scale for each row: half the memory, and the same recall."""

    def __init__(self, pieces: WordPieces, rows: npt.NDArray[np.int8], scales: Vector) -> None:
        self._pieces: Final = pieces
        self._rows: Final = rows
        self._scales: Final = scales

    @property
    def dimensions(self) -> int:
        """How many numbers a vector has."""
        return int(self._rows.shape[1])

    def blend(self, parts: Iterable[tuple[float, Collection[str]]]) -> bytes:
        """The direction of several texts together, each given by its weight and its words, as a stored vector."""
        weights: list[float] = []
        starts: list[int] = []
        pieces: list[int] = []
        for weight, words in parts:
            if words:
                weights.append(weight)
                starts.append(len(pieces))
                pieces += [piece for word in words for piece in self._pieces.of(word)]
        if not pieces:
            return bytes(2 * self.dimensions)
        rows = self._rows[pieces].astype(np.float32)
        rows *= self._scales[pieces, None]
        sums = np.add.reduceat(rows, starts, axis=0)
        shares = np.array(weights, np.float32) / np.maximum(lengths(sums), _SMALLEST)
        return stored(np.einsum("i,ij->j", shares, sums))


def quantised(source: BinaryIO, rows: int, dimensions: int) -> tuple[npt.NDArray[np.int8], Vector]:
    """Reads a table of little-endian float16 without having more than a part of it in memory.

    Raises:
        ValueError: the file ends before the table does, or holds numbers that are none.
    """
    table = np.empty((rows, dimensions), np.int8)
    scales = np.empty(rows, np.float32)
    for first in range(0, rows, _ROWS_AT_ONCE):
        count = min(_ROWS_AT_ONCE, rows - first)
        part = np.frombuffer(source.read(count * dimensions * 2), "<f2").astype(np.float32).reshape(count, dimensions)
        largest = np.abs(part).max(axis=1)
        if not np.isfinite(largest).all():
            raise ValueError("it holds a number that is not finite")
        scales[first : first + count] = largest / 127
        part /= np.maximum(scales[first : first + count, None], _SMALLEST)
        table[first : first + count] = np.rint(part)
    return table, scales


def lengths(rows: Vector) -> Vector:
    """The length of each row."""
    found: Vector = np.sqrt(np.einsum("ij,ij->i", rows, rows))
    return found


def stored(vector: Vector) -> bytes:
    """The vector at length 1 as documents keep it, two bytes for each number; zeros stay zeros."""
    length = np.maximum(lengths(vector[None, :]), _SMALLEST)
    return (vector / length).astype("<f2").tobytes()
