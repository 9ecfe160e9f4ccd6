"""Vectors as numpy has them, and as they are kept."""

from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

Vector: TypeAlias = npt.NDArray[np.float32]
"""One vector, or one in each row."""

SMALLEST: Final = np.float32(1e-12)
"""Divides in place of a length that is 0, so that zeros stay zeros."""


def lengths(rows: Vector) -> Vector:
    """The length of each row."""
    found: Vector = np.sqrt(np.einsum("ij,ij->i", rows, rows))
    return found


def stored(vector: Vector) -> bytes:
    """The vector at length 1 as documents keep it, two bytes for each number; zeros stay zeros."""
    length = np.maximum(lengths(vector[None, :]), SMALLEST)
    return (vector / length).astype("<f2").tobytes()
