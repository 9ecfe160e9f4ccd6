"""From a text to its words: split at case and punctuation, and by twos of characters where a script has no spaces."""

import re
import unicodedata
from collections.abc import Iterator
from typing import Final

MAX_WORD: Final = 40
"""Characters of a word. What is longer is no word of a language (a key, a hash, an encoded file) and is left out."""

PART: Final = 64
"""Characters that are folded at once."""

# A part ends where a word does, if one does within it. Marks are put in their order by a sort that takes the square of
# how many follow each other: a text of 4 000 of them would take 40 ms.
_FOLDED_AT_ONCE: Final = re.compile(rf".{{1,{PART}}}(?!\S)|.{{1,{PART}}}", re.DOTALL)
_MARKS: Final = re.compile("[\u0300-\u036f]+")
# Scripts that are written without spaces between words: Thai, Lao, Myanmar, Khmer, kana, Han; and Hangul, whose words
# carry particles.
_UNSPACED: Final = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff"
)
_RUNS: Final = re.compile(f"([{_UNSPACED}]+)|[^\\W_{_UNSPACED}]+")
_PARTS: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[^\WA-Z_]+|[A-Z]")


def split_words(text: str) -> Iterator[str]:
    """The words of a text in their order, without accents and in small letters.

    `getPullRequest` is three words and the whole as well, since people write `GitHub` in both ways.
    """
    for run in _RUNS.finditer(fold(text)):
        word = run[0]
        if run[1] is not None:
            yield from _pairs(word)
        elif len(word) <= MAX_WORD:
            yield from _parts(word)


def fold(text: str) -> str:
    """The text in compatibility forms and without accents; twice as many characters at most."""
    return text if text.isascii() else "".join(map(_fold, _FOLDED_AT_ONCE.findall(text)))


def _fold(text: str) -> str:
    # One character may stand for eighteen (U+FDFA).
    composed = unicodedata.normalize("NFKC", text)[: 2 * len(text)]
    return unicodedata.normalize("NFC", _MARKS.sub("", unicodedata.normalize("NFD", composed)))


def _pairs(run: str) -> Iterator[str]:
    if len(run) == 1:
        yield run
    for at in range(len(run) - 1):
        yield run[at : at + 2]


def _parts(word: str) -> Iterator[str]:
    # Folding may make three characters of one.
    whole = word.casefold()[:MAX_WORD]
    if word.islower() or word.isupper() or word[1:].islower() or word.isdigit():
        yield whole
        return
    parts = [part.casefold() for part in _PARTS.findall(word)]
    yield from parts
    if len(parts) > 1:
        yield whole
