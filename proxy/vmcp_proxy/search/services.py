"""What tool search stands on for the life of the process, whatever the config."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from vmcp_proxy.search.aside import Aside
from vmcp_proxy.search.embeddings.passages import Passage
from vmcp_proxy.search.finding.indexes import Indexes
from vmcp_proxy.search.finding.model_texts import ModelTexts
from vmcp_proxy.search.lists.shadowed import Shadowed
from vmcp_proxy.search.observer import SearchObserver
from vmcp_proxy.search.ranking.analysis import Document, Query
from vmcp_proxy.search.ranking.tool_text import ToolText


class Reads(Protocol):
    """Makes documents and queries of texts (`ranking.installed.InstalledAnalyzer`)."""

    def analyze(self, text: ToolText) -> Document:
        """The document of a tool."""

    def query(self, text: str, keywords: Iterable[str] = ()) -> Query:
        """The query of a text and of words that its author finds the most telling."""


class Ranks(Protocol):
    """One more ranking, by a model elsewhere (`embeddings.embedder.Embedder`)."""

    async def rank(self, passages: Sequence[Passage], query: str) -> tuple[int, ...] | None:
        """The places of the passages nearest to a query, best first; None where there is no such ranking now."""


@dataclass(frozen=True, slots=True)
class SearchServices:
    """Documents and queries are read by the one `analyzer`: what is kept of it stays good over reloads.

    `embedder` is that of the config, None where it has none.
    """

    aside: Aside
    analyzer: Reads
    indexes: Indexes
    model_texts: ModelTexts
    shadowed: Shadowed
    observer: SearchObserver
    embedder: Ranks | None = None
