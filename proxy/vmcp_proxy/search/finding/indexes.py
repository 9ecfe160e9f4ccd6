"""The indexes of catalogs: built off the event loop, one at a time for each content, and kept within bounds."""

import logging
import threading
from collections import Counter
from collections.abc import Sequence
from hashlib import blake2b
from time import monotonic
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

_TURN: Final = 0.1
"""Seconds of reading before other searches have their turn."""
_PATIENCE: Final = 3.0
"""Seconds that a search waits for tools to be read, once it has had so many read as `_LEAST` says."""
_LEAST: Final = 500

_DIRECTION: Final = 20
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
    """The index of some tools; `read` is what was read of each where that is not all of them yet, else empty."""

    index: Index
    weight: int
    read: tuple[_Read | None, ...] = ()


class Indexes:
    """Indexes by the version of what they are made of: callers who see the same share one, over what they see alone.

    What is read of a tool is kept by content beside them, so that a change, or the view of another caller, costs no
    more than putting it together. Reading many takes turns with other searches, and one search does not wait for all
    that a backend may have made up: what is left is found by its names, until a later search has read it.
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
        if kept is None or kept.read:
            kept = await self._flights.ask(version, lambda: self._made(version, tools))
        return kept.index

    async def _made(self, version: str, tools: Sequence[Capability]) -> _Built:
        former = self._built.find(version)
        read: list[_Read | None] = list(former.read) if former is not None and former.read else [None] * len(tools)
        until = monotonic() + _PATIENCE
        unread = await self._aside.run(self._unread, tools, read)
        least = len(unread) - _LEAST
        while unread and (len(unread) > least or monotonic() < until):
            unread = await self._aside.run(self._read_some, tools, read, unread)
        if unread:
            log_event(logger, logging.INFO, "tools are found by their names for now", tools=len(unread))
        built = await self._aside.run(self._build, tools, read)
        self._built.keep(version, built)
        return built

    def _unread(self, tools: Sequence[Capability], read: list[_Read | None]) -> list[int]:
        """The places of tools that are to be read, those of backends with the fewest of them first."""
        for place, tool in enumerate(tools):
            if read[place] is None:
                key = _key_of(tool)
                with self._lock:
                    read[place] = self._read.find(key)
        places = [place for place, known in enumerate(read) if known is None]
        of_backend = Counter(tools[place].backend for place in places)
        return sorted(places, key=lambda place: (of_backend[tools[place].backend], place))

    def _read_some(self, tools: Sequence[Capability], read: list[_Read | None], unread: list[int]) -> list[int]:
        """Reads for one turn; the places of those that are left."""
        until = monotonic() + _TURN
        for done, place in enumerate(unread, start=1):
            each = read[place] = self._read_tool(tools[place])
            with self._lock:
                self._read.keep(_key_of(tools[place]), each)
            if monotonic() >= until:
                return unread[done:]
        return []

    def _build(self, tools: Sequence[Capability], read: Sequence[_Read | None]) -> _Built:
        each = [self._by_name(tools[place]) if known is None else known for place, known in enumerate(read)]
        index = Index.build([one.document for one in each])
        return _Built(index, sum(one.weight for one in each), tuple(read) if None in read else ())

    def _read_tool(self, tool: Capability) -> _Read:
        """What the tool is searched by: its name at least, so that one descriptor takes the search from no other."""
        try:
            return self._from(read_tool_text(tool.raw, tool.backend))
        except Exception as error:  # noqa: BLE001 - whatever a backend may have written
            reason = describe_exception(error)
            log_event(logger, logging.WARNING, "a tool is found by its name alone", tool=tool.exposed, error=reason)
            return self._by_name(tool)

    def _by_name(self, tool: Capability) -> _Read:
        return self._from(ToolText(tool.exposed, "", "", (), tool.backend))

    def _from(self, text: ToolText) -> _Read:
        return _Read(self._analyzer.analyze(text))


def _key_of(tool: Capability) -> bytes:
    return blake2b(b"%b\0%b" % (tool.backend.encode(), tool.raw), digest_size=16).digest()
