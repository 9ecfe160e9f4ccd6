"""When a hit may well be none of what was asked for; the bounds are measured (ADR-0066)."""

from typing import Final

_FEW_TERMS: Final = 3
_HARDLY_TERMS: Final = 2
_SHARE: Final = 0.5
_MEANING: Final = 0.52


def is_weak(terms: int, share: float, meaning: float | None) -> bool:
    """Whether too little speaks for a document.

    Args:
        terms: how many different terms of the query it has.
        share: how much of what the query's terms say these say, by their rarity, from 0 to 1.
        meaning: the cosine between its direction and the query's, and its nearness word by word, together; None where
            there are no vectors.
    """
    if share >= _SHARE:
        return False
    if meaning is None:
        return terms < _HARDLY_TERMS
    return terms < _FEW_TERMS and meaning < _MEANING
