"""From the texts of a tool to the document that the index holds, and from what is asked to a query."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from vmcp_proxy.search.ranking.static_table import StaticTable
from vmcp_proxy.search.ranking.terms import Terms
from vmcp_proxy.search.ranking.tool_text import ToolText

NAME_WEIGHT: Final = 3.0
TITLE_WEIGHT: Final = 1.0
DESCRIPTION_WEIGHT: Final = 1.0
ARGUMENT_WEIGHT: Final = 0.3
SERVER_WEIGHT: Final = 1.0

MAX_OCCURRENCES: Final = 3
"""How often a term counts in one field, so that saying it fifty times brings no more than saying it three times."""
MAX_QUERY: Final = 4_000
"""Characters of a query that are read."""
MAX_QUERY_TERMS: Final = 64
"""Different terms of a query that are looked up, in their order."""
KEYWORD_WEIGHT: Final = 1.0
"""What a keyword counts beside its place in the text."""


class Document(msgspec.Struct, frozen=True, gc=False):
    """One tool as it is searched: its terms with their weighted counts, and how long that makes it."""

    counts: dict[str, float]
    length: float
    vector: bytes = b""


class Query(msgspec.Struct, frozen=True, gc=False):
    """What is asked: terms with their weights, in the order of the text."""

    weights: dict[str, float]
    vector: bytes = b""


class Analyzer:
    """Reads texts the same way for documents and queries; `table` has the static vectors, where they are installed."""

    def __init__(self, table: StaticTable | None = None) -> None:
        self._terms: Final = Terms()
        self._table: Final = table

    def analyze(self, text: ToolText) -> Document:
        """The document of a tool; about 50 µs for a usual one."""
        counts: dict[str, float] = {}
        self._add(counts, (text.name,), NAME_WEIGHT)
        self._add(counts, (text.title,), TITLE_WEIGHT)
        self._add(counts, (text.description,), DESCRIPTION_WEIGHT)
        self._add(counts, text.arguments, ARGUMENT_WEIGHT)
        self._add(counts, (text.server,), SERVER_WEIGHT)
        return Document(counts=counts, length=sum(counts.values()))

    def query(self, text: str, keywords: Iterable[str] = ()) -> Query:
        """The query of a text and of words that its author finds the most telling."""
        weights: dict[str, float] = {}
        for term in self._terms.of(text[:MAX_QUERY]):
            weights.setdefault(term, 1.0)
        for term in set(self._terms.of(" ".join(keywords)[:MAX_QUERY])):
            weights[term] = weights.get(term, 0.0) + KEYWORD_WEIGHT
        return Query(weights=_first(weights, MAX_QUERY_TERMS))

    def _add(self, counts: dict[str, float], texts: Iterable[str], weight: float) -> None:
        found = Counter(term for text in texts for term in self._terms.of(text))
        for term, count in found.items():
            counts[term] = counts.get(term, 0.0) + weight * min(count, MAX_OCCURRENCES)


def _first(weights: Mapping[str, float], limit: int) -> dict[str, float]:
    return {term: weight for (term, weight), _ in zip(weights.items(), range(limit), strict=False)}
