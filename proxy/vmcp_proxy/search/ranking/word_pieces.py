"""Splits words into the pieces that the static table has vectors of: byte pair encoding, as SentencePiece merges."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Final

MAX_PIECES: Final = 16
"""Pieces of a word that are read. More have words of scripts that the vocabulary spells in bytes, four for a letter."""

_START: Final = "\u2581"
"""Stands before the first letter of a word in the vocabulary."""
_UNKNOWN: Final = 0
"""Stands for a word of which the vocabulary has no piece, as in every vocabulary of SentencePiece."""
_NEVER: Final = 1 << 30
_MAX_KEPT: Final = 50_000
"""Words whose pieces are remembered, 10 MiB at most."""


class WordPieces:
    """Finds the pieces of words in a vocabulary in which a lower number is an earlier merge.

    The library that belongs to the vocabulary's file gives the same pieces for a word, and all of them; it brings 40 MB
    of packages.
    """

    def __init__(self, vocabulary: Mapping[str, int]) -> None:
        self._vocabulary: Final = vocabulary
        self._known: dict[str, tuple[int, ...]] = {}

    def of(self, word: str) -> tuple[int, ...]:
        """The numbers of a word's first pieces; its cost grows with the square of the word's length."""
        known = self._known.get(word)
        if known is not None:
            return known
        whole = self._vocabulary.get(_START + word)
        pieces = self._merge(word)[:MAX_PIECES] if whole is None else (whole,)
        if len(self._known) >= _MAX_KEPT:
            self._known = {}
        self._known[word] = pieces
        return pieces

    def _merge(self, word: str) -> tuple[int, ...]:
        vocabulary = self._vocabulary
        pieces = self._spell(_START + word)
        ranks = [vocabulary.get(left + right, _NEVER) for left, right in pairwise(pieces)]
        while ranks and (best := min(ranks)) != _NEVER:
            at = ranks.index(best)
            pieces[at : at + 2] = [pieces[at] + pieces[at + 1]]
            del ranks[at]
            if at > 0:
                ranks[at - 1] = vocabulary.get(pieces[at - 1] + pieces[at], _NEVER)
            if at < len(ranks):
                ranks[at] = vocabulary.get(pieces[at] + pieces[at + 1], _NEVER)
        found = tuple(vocabulary[piece] for piece in pieces if piece in vocabulary)
        return found or (_UNKNOWN,)

    def _spell(self, word: str) -> list[str]:
        # A character that the vocabulary has no piece for is spelt in bytes, which never merge: so many of them, and
        # what comes later is not read.
        pieces: list[str] = []
        in_bytes = 0
        for char in word:
            if char in self._vocabulary:
                pieces.append(char)
            elif in_bytes < MAX_PIECES:
                spelt = [f"<0x{byte:02X}>" for byte in char.encode("utf-8", "replace")]
                in_bytes += sum(piece in self._vocabulary for piece in spelt)
                pieces += spelt
            else:
                break
        return pieces
