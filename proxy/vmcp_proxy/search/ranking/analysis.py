"""From the texts of a tool to the document that the index holds, and from what is asked to a query."""

from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import chain
from typing import TYPE_CHECKING, Final

import msgspec

from vmcp_proxy.search.ranking.stems import Stems, content_words
from vmcp_proxy.search.ranking.tool_text import ToolText

if TYPE_CHECKING:
    from vmcp_proxy.search.ranking.static_table import StaticTable
    from vmcp_proxy.search.ranking.word_bags import QueryWords, WordBag

NAME_WEIGHT: Final = 3.0
TITLE_WEIGHT: Final = 1.0
DESCRIPTION_WEIGHT: Final = 1.0
ARGUMENT_WEIGHT: Final = 0.3
SERVER_WEIGHT: Final = 1.0
"""What a term counts in each field."""

MAX_OCCURRENCES: Final = 3
"""How often a term counts in one field, so that saying it fifty times brings no more than saying it three times."""
MAX_QUERY: Final = 4_000
"""Characters of a query that are read."""
MAX_QUERY_TERMS: Final = 64
"""Different terms of a query that are looked up, in their order."""
KEYWORD_WEIGHT: Final = 2.0
"""What a keyword counts beside its place in the text."""

_VECTOR_WORDS: Final = 50
"""Different words of a field, from its beginning, that make its direction."""
_BAG_WORDS: Final = 100
"""Different words of a tool, of all fields, that are compared one by one; 255 at most."""
_VECTOR_WEIGHTS: Final = (1.0, 1.0, 0.3, 0.3)
"""What the directions of name, description, arguments and server count in that of a tool."""


class Document(msgspec.Struct, frozen=True, gc=False):
    """One tool as it is searched: its terms with their weighted counts, how long that makes it, and its direction.

    Without the static table there is no `vector` and no bag of words.
    """

    counts: dict[str, float]
    length: float
    vector: bytes = b""
    words: "WordBag | None" = None


class Query(msgspec.Struct, frozen=True, gc=False):
    """What is asked: different terms with their weights, in the order of the text, and the text's direction."""

    weights: dict[str, float]
    vector: bytes = b""
    words: "QueryWords | None" = None


class Analyzer:
    """Reads texts the same way for documents and queries; `table` has the static vectors, where they are installed."""

    def __init__(self, table: "StaticTable | None" = None) -> None:
        self._stems: Final = Stems()
        self._table: Final = table

    def analyze(self, text: ToolText) -> Document:
        """The document of a tool; about 0.15 ms for a usual one."""
        name, title, description = (list(content_words(each)) for each in (text.name, text.title, text.description))
        arguments = [word for each in text.arguments for word in content_words(each)]
        server = list(content_words(text.server))
        counts: dict[str, float] = {}
        self._count(counts, name, NAME_WEIGHT)
        self._count(counts, title, TITLE_WEIGHT)
        self._count(counts, description, DESCRIPTION_WEIGHT)
        self._count(counts, arguments, ARGUMENT_WEIGHT)
        self._count(counts, server, SERVER_WEIGHT)
        length = sum(counts.values())
        if self._table is None:
            return Document(counts, length)
        fields = [_different(words) for words in (name, description, arguments, server)]
        vector = self._table.blend(zip(_VECTOR_WEIGHTS, fields, strict=True))
        return Document(
            counts, length, vector, self._table.bag(list(dict.fromkeys(chain.from_iterable(fields)))[:_BAG_WORDS])
        )

    def query(self, text: str, keywords: Iterable[str] = ()) -> Query:
        """The query of a text and of words that its author finds the most telling."""
        words = list(content_words(text[:MAX_QUERY]))
        telling = list(content_words(" ".join(keywords)[:MAX_QUERY]))
        weights = {self._stems.of(word): 1.0 for word in words}
        for term in dict.fromkeys(self._stems.of(word) for word in telling):
            weights[term] = weights.get(term, 0.0) + KEYWORD_WEIGHT
        looked_up = _first(weights, MAX_QUERY_TERMS)
        if self._table is None or not weights:
            return Query(looked_up)
        asked = _different(words + telling)
        read = self._table.read_query(asked, [self._stems.of(word) for word in asked])
        return Query(looked_up, self._table.blend([(1.0, asked)]), read)

    def _count(self, counts: dict[str, float], words: Iterable[str], weight: float) -> None:
        for term, count in Counter(map(self._stems.of, words)).items():
            counts[term] = counts.get(term, 0.0) + weight * min(count, MAX_OCCURRENCES)


def _different(words: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(words))[:_VECTOR_WORDS]


def _first(weights: Mapping[str, float], limit: int) -> dict[str, float]:
    return {term: weight for (term, weight), _ in zip(weights.items(), range(limit), strict=False)}
