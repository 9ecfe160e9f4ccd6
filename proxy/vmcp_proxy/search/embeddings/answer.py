"""Reads the answer of an OpenAI-compatible `POST /embeddings`; whatever is wrong with it is found here."""

from typing import Final

import msgspec
import numpy as np

from vmcp_proxy.search.embeddings.errors import EmbeddingsError
from vmcp_proxy.search.ranking.vectors import Vector, lengths

MAX_DIMENSIONS: Final = 4_096
"""Numbers of a vector."""

_SMALLEST: Final = 1e-6
_LARGEST: Final = 1e6


class _Item(msgspec.Struct):
    index: int
    embedding: list[float]


class _Answer(msgspec.Struct):
    data: list[_Item]


def read_answer(raw: bytes, count: int) -> tuple[bytes, ...]:
    """One vector for each of `count` texts, in the order of the texts, as the ranking stores them.

    Raises:
        EmbeddingsError: it is no such answer, or has another number of vectors, or vectors that are none.
    """
    try:
        items = msgspec.json.decode(raw, type=_Answer).data
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise EmbeddingsError("the answer is no list of embeddings") from None
    if len(items) != count:
        raise EmbeddingsError(f"the answer has {len(items)} vectors for {count} texts")
    ordered = sorted(items, key=lambda item: item.index)
    if [item.index for item in ordered] != list(range(count)):
        raise EmbeddingsError("the answer does not say which vector belongs to which text")
    sizes = {len(item.embedding) for item in items}
    if len(sizes) != 1:
        raise EmbeddingsError("the answer has vectors of different lengths")
    if not 0 < (size := sizes.pop()) <= MAX_DIMENSIONS:
        raise EmbeddingsError(f"the answer has vectors of {size} numbers; from 1 to {MAX_DIMENSIONS} are taken")
    # Not as 32 bits at once: what does not fit there would be a warning and not an error.
    rows = np.array([item.embedding for item in ordered], np.float64)
    if not (np.abs(rows) <= _LARGEST).all():
        raise EmbeddingsError("the answer has numbers that are none of a vector")
    vectors: Vector = rows.astype(np.float32)
    long = lengths(vectors)
    if long.min() < _SMALLEST:
        raise EmbeddingsError("the answer has a vector without a direction")
    return tuple(row.tobytes() for row in (vectors / long[:, None]).astype("<f2"))
