"""The indexes of catalogs: built off the event loop, one at a time for each content, and kept within bounds."""

import asyncio
import logging
import threading
from collections import OrderedDict
from collections.abc import Sequence
from hashlib import blake2b
from typing import Final, Protocol

from vmcp_proxy.auth.oauth.single_flight import SingleFlight
from vmcp_proxy.core.catalog.capabilities import Capability
from vmcp_proxy.observability.logs import describe_exception, log_event
from vmcp_proxy.search.ranking.analysis import Document
from vmcp_proxy.search.ranking.index import Index
from vmcp_proxy.search.ranking.tool_text import ToolText, read_tool_text

logger: Final = logging.getLogger("vmcp.search")

MOST_TERMS: Final = 500_000
"""Terms of the documents that are kept, about 100 bytes each."""

MOST_POSTINGS: Final = 1_000_000
"""Terms of the documents of all indexes that are kept, about 40 bytes each; the latest one stays however large."""


class Reads(Protocol):
    """Makes documents of texts (`ranking.analysis.Analyzer`)."""

    def analyze(self, text: ToolText) -> Document:
        """The document of a tool."""


class Indexes:
    """Indexes by the version of what they are made of: callers who see the same share one, over what they see alone.

    Documents are kept by content beside them, so that a change, or the view of another caller, costs no more than
    putting them together.
    """

    def __init__(self, analyzer: Reads, most_terms: int = MOST_TERMS, most_postings: int = MOST_POSTINGS) -> None:
        self._analyzer: Final = analyzer
        self._most_terms: Final = most_terms
        self._most_postings: Final = most_postings
        self._flights: Final[SingleFlight[str, Index]] = SingleFlight()
        self._indexes: Final[OrderedDict[str, tuple[Index, int]]] = OrderedDict()
        self._postings = 0
        self._documents: Final[OrderedDict[bytes, Document]] = OrderedDict()
        self._terms = 0
        self._lock: Final = threading.Lock()
        """For the documents: several threads may look for theirs."""

    async def of(self, version: str, tools: Sequence[Capability]) -> Index:
        """The index of these tools, in their order; `version` stands for them and their order.

        Raises:
            Exception: whatever building it has raised.
        """
        kept = self._indexes.get(version)
        if kept is not None:
            self._indexes.move_to_end(version)
            return kept[0]
        return await self._flights.ask(version, lambda: self._built(version, tools))

    async def _built(self, version: str, tools: Sequence[Capability]) -> Index:
        index, postings = await asyncio.to_thread(self._build, tools)
        self._indexes[version] = index, postings
        self._postings += postings
        while self._postings > self._most_postings and len(self._indexes) > 1:
            _, (_, gone) = self._indexes.popitem(last=False)
            self._postings -= gone
        return index

    def _build(self, tools: Sequence[Capability]) -> tuple[Index, int]:
        documents = [self._document(tool) for tool in tools]
        return Index.build(documents), sum(len(each.counts) for each in documents)

    def _document(self, tool: Capability) -> Document:
        key = blake2b(b"%b\0%b" % (tool.backend.encode(), tool.raw), digest_size=16).digest()
        with self._lock:
            kept = self._documents.get(key)
            if kept is not None:
                self._documents.move_to_end(key)
                return kept
        document = self._read(tool)
        with self._lock:
            if key not in self._documents:
                self._documents[key] = document
                self._terms += len(document.counts)
            while self._terms > self._most_terms and len(self._documents) > 1:
                _, gone = self._documents.popitem(last=False)
                self._terms -= len(gone.counts)
        return document

    def _read(self, tool: Capability) -> Document:
        """What the tool is searched by: its name at least, so that one descriptor takes the search from no other."""
        try:
            return self._analyzer.analyze(read_tool_text(tool.raw, tool.backend))
        except Exception as error:  # noqa: BLE001 - whatever a backend may have written
            reason = describe_exception(error)
            log_event(logger, logging.WARNING, "a tool is found by its name alone", tool=tool.exposed, error=reason)
            return self._analyzer.analyze(ToolText(tool.exposed, "", "", (), tool.backend))
