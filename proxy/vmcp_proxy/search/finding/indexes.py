"""The indexes of catalogs: built off the event loop, one at a time for each content, and kept within bounds."""

import logging
import threading
from collections.abc import Sequence
from hashlib import blake2b
from typing import Final, Protocol

import msgspec

from vmcp_proxy.auth.oauth.single_flight import SingleFlight
from vmcp_proxy.core.catalog.capabilities import Capability
from vmcp_proxy.observability.logs import describe_exception, log_event
from vmcp_proxy.search.aside import Aside
from vmcp_proxy.search.finding.bounded import Bounded
from vmcp_proxy.search.ranking.analysis import Document
from vmcp_proxy.search.ranking.index import Index
from vmcp_proxy.search.ranking.tool_text import ToolText, read_tool_text

logger: Final = logging.getLogger("vmcp.search")

MOST_TERMS: Final = 500_000
"""Terms of the documents that are kept, about 100 bytes each."""

MOST_POSTINGS: Final = 1_000_000
"""Terms of the documents of all indexes that are kept, about 40 bytes each; the latest one stays however large."""

_DIRECTION: Final = 10
"""What the direction of a document costs, as so many terms."""


class Analyzes(Protocol):
    """Makes documents of texts."""

    def analyze(self, text: ToolText) -> Document:
        """The document of a tool."""


class _Read(msgspec.Struct, frozen=True, gc=False):
    """One tool as it is searched."""

    document: Document

    @property
    def weight(self) -> int:
        """What it costs to keep, in terms."""
        return len(self.document.counts) + _DIRECTION


class _Built(msgspec.Struct, frozen=True, gc=False):
    """The index of some tools."""

    index: Index
    weight: int


class Indexes:
    """Indexes by the version of what they are made of: callers who see the same share one, over what they see alone.

    What is read of a tool is kept by content beside them, so that a change, or the view of another caller, costs no
    more than putting it together.
    """

    def __init__(
        self, analyzer: Analyzes, aside: Aside, most_terms: int = MOST_TERMS, most_postings: int = MOST_POSTINGS
    ) -> None:
        self._analyzer: Final = analyzer
        self._aside: Final = aside
        self._flights: Final[SingleFlight[str, _Built]] = SingleFlight()
        self._built: Final = Bounded[str, _Built](most_postings)
        self._read: Final = Bounded[bytes, _Read](most_terms)
        self._lock: Final = threading.Lock()
        """For what was read: several threads may look for theirs."""

    @property
    def weights(self) -> tuple[int, int]:
        """What is kept of indexes, and of what was read."""
        return self._built.weight, self._read.weight

    async def of(self, version: str, tools: Sequence[Capability]) -> Index:
        """The index of these tools, in their order; `version` stands for them and their order.

        Raises:
            Exception: whatever building it has raised.
        """
        kept = self._built.find(version)
        if kept is None:
            kept = await self._flights.ask(version, lambda: self._made(version, tools))
        return kept.index

    async def _made(self, version: str, tools: Sequence[Capability]) -> _Built:
        built = await self._aside.run(self._build, tools)
        self._built.keep(version, built)
        return built

    def _build(self, tools: Sequence[Capability]) -> _Built:
        read = [self._of_tool(tool) for tool in tools]
        return _Built(Index.build([each.document for each in read]), sum(each.weight for each in read))

    def _of_tool(self, tool: Capability) -> _Read:
        key = blake2b(b"%b\0%b" % (tool.backend.encode(), tool.raw), digest_size=16).digest()
        with self._lock:
            kept = self._read.find(key)
        if kept is not None:
            return kept
        read = self._read_tool(tool)
        with self._lock:
            self._read.keep(key, read)
        return read

    def _read_tool(self, tool: Capability) -> _Read:
        """What the tool is searched by: its name at least, so that one descriptor takes the search from no other."""
        try:
            return self._from(read_tool_text(tool.raw, tool.backend))
        except Exception as error:  # noqa: BLE001 - whatever a backend may have written
            reason = describe_exception(error)
            log_event(logger, logging.WARNING, "a tool is found by its name alone", tool=tool.exposed, error=reason)
            return self._from(ToolText(tool.exposed, "", "", (), tool.backend))

    def _from(self, text: ToolText) -> _Read:
        return _Read(self._analyzer.analyze(text))
