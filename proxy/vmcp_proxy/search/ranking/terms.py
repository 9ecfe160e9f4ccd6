"""From words to the terms of the index: without stop words, and by their stems."""

import threading
from collections.abc import Iterator
from typing import Final

import Stemmer

from vmcp_proxy.search.ranking.stop_words import STOP_WORDS
from vmcp_proxy.search.ranking.words import split_words

_MAX_KEPT: Final = 50_000
"""Stems that are remembered, 8 MiB at most."""


class Terms:
    """Finds the terms of texts; the same word gives the same object, so that documents share their terms.

    May be asked from several threads: an index is built beside the event loop while queries are read on it.
    """

    def __init__(self) -> None:
        self._stemmer: Final = Stemmer.Stemmer("english", 0)
        self._stems: dict[str, str] = {}
        self._shared: dict[str, str] = {}
        # A stemmer has state while it works.
        self._lock: Final = threading.Lock()

    def of(self, text: str) -> Iterator[str]:
        """The terms of a text in their order, with repetitions."""
        for word in split_words(text):
            if word not in STOP_WORDS:
                yield self._stems.get(word) or self._stem(word)

    def _stem(self, word: str) -> str:
        with self._lock:
            stem = str(self._stemmer.stemWord(word))
            if len(self._stems) >= _MAX_KEPT:
                self._stems, self._shared = {}, {}
            return self._stems.setdefault(word, self._shared.setdefault(stem, stem))
