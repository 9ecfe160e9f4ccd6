"""From the words of a text to the terms of the index: stop words are left out, the others are cut to their stems."""

import threading
from collections.abc import Iterator
from typing import Final

import Stemmer

from vmcp_proxy.search.ranking.stop_words import STOP_WORDS
from vmcp_proxy.search.ranking.words import split_words

_MAX_KEPT: Final = 50_000
"""Words whose stems are remembered, 10 MiB at most."""


def content_words(text: str) -> Iterator[str]:
    """The words of a text without stop words, in their order and with repetitions."""
    return (word for word in split_words(text) if word not in STOP_WORDS)


class Stems:
    """Cuts words to their stems (Snowball's English); equal stems are the same object, so that documents share them.

    May be asked from several threads: an index is built beside the event loop, and queries are read on it.
    """

    def __init__(self) -> None:
        self._stemmer: Final = Stemmer.Stemmer("english", 0)
        self._known: dict[str, str] = {}
        self._shared: dict[str, str] = {}
        # A stemmer has state while it works.
        self._lock: Final = threading.Lock()

    def of(self, word: str) -> str:
        """The stem of a word in small letters; words of other languages are cut too, everywhere in the same way."""
        return self._known.get(word) or self._find(word)

    def _find(self, word: str) -> str:
        with self._lock:
            stem = str(self._stemmer.stemWord(word))
            if len(self._known) >= _MAX_KEPT:
                self._known, self._shared = {}, {}
            return self._known.setdefault(word, self._shared.setdefault(stem, stem))
