"""BM25 as one finds it in a textbook, over the words as they stand: what our own ranking has to beat."""

import json
import re
from collections import Counter
from collections.abc import Sequence
from math import log
from typing import Final

K1: Final = 1.5
B: Final = 0.75
_WORD: Final = re.compile(r"[^\W_]+")


def text_of(raw: bytes) -> str:
    """Name, description, and the arguments' names and descriptions of a tool, one after the other."""
    tool = json.loads(raw)
    properties = tool.get("inputSchema", {}).get("properties", {})
    arguments = [f"{name} {schema.get('description', '')}" for name, schema in properties.items()]
    return " ".join([tool["name"], tool.get("description", ""), *arguments])


class PlainBm25:
    """Lower-case words without stems, stop words or fields; `k1` 1.5, `b` 0.75."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._counts: Final = [Counter(_words(text)) for text in texts]
        lengths = [counts.total() for counts in self._counts]
        average = sum(lengths) / len(lengths)
        self._scales: Final = [K1 * (1 - B + B * length / average) for length in lengths]
        frequencies = Counter(word for counts in self._counts for word in counts)
        self._rarity: Final = {
            word: log(1 + (len(texts) - found + 0.5) / (found + 0.5)) for word, found in frequencies.items()
        }

    def search(self, query: str, limit: int) -> list[int]:
        """Positions of the best texts, best first; those that share no word with the query are left out."""
        words = [word for word in _words(query) if word in self._rarity]
        scores = [self._score(position, words) for position in range(len(self._counts))]
        best = sorted(range(len(scores)), key=lambda position: (-scores[position], position))
        return [position for position in best[:limit] if scores[position] > 0]

    def _score(self, position: int, words: Sequence[str]) -> float:
        counts, scale = self._counts[position], self._scales[position]
        return sum(self._rarity[word] * counts[word] * (K1 + 1) / (counts[word] + scale) for word in words)


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())
