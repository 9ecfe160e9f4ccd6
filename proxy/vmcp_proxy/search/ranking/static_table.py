"""Vectors of words, learned beforehand: no model runs, a text is the sum of what its words mean by themselves."""

from collections.abc import Collection, Iterable, Sequence
from typing import BinaryIO, Final

import numpy as np
import numpy.typing as npt

from vmcp_proxy.search.ranking.vectors import SMALLEST, Vector, lengths, stored
from vmcp_proxy.search.ranking.word_bags import QueryWords, WordBag, read_query, write_bag
from vmcp_proxy.search.ranking.word_pieces import WordPieces

_ROWS_AT_ONCE: Final = 500


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

    def pieces_of(self, words: Iterable[str]) -> list[tuple[int, ...]]:
        """The numbers of each word's rows; every word has one at least."""
        return [self._pieces.of(word) for word in words]

    def rows(self, pieces: Sequence[int] | npt.NDArray[np.uint16]) -> Vector:
        """The rows with these numbers."""
        rows = self._rows[pieces].astype(np.float32)
        rows *= self._scales[pieces, None]
        return rows

    def bag(self, words: Sequence[str]) -> WordBag:
        """Some different words, each by itself."""
        return write_bag(self, words)

    def read_query(self, words: Sequence[str], terms: Sequence[str]) -> QueryWords:
        """The words of a query, of which there is one at least, each by itself and with its term."""
        return read_query(self, words, terms)

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
        sums = np.add.reduceat(self.rows(pieces), starts, axis=0)
        shares = np.array(weights, np.float32) / np.maximum(lengths(sums), SMALLEST)
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
        part /= np.maximum(scales[first : first + count, None], SMALLEST)
        table[first : first + count] = np.rint(part)
    return table, scales
