"""The pages of one backend become one listing, and every list ends."""

from dataclasses import dataclass, field

import msgspec

from vmcp_proxy.core.catalog.capabilities import Descriptor, Dropped, Incomplete, Listing
from vmcp_proxy.core.listings.page import LABEL_LENGTH, BadEntry, BadListing, ListingLimits, Page, parse_page
from vmcp_proxy.protocol.kinds import Kind
from vmcp_proxy.protocol.modern.cache_hints import CacheHints, narrowest

__all__ = ["ListingBuilder", "ListingLimits"]


@dataclass(slots=True)
class _KindState:
    position: int = 1
    items: dict[str, Descriptor] = field(default_factory=dict)
    bad: list[BadEntry] = field(default_factory=list)
    cursors: set[bytes] = field(default_factory=set)
    cut_off: str = ""
    is_passing: bool = False
    hints: list[CacheHints] = field(default_factory=list)

    def take(self, page: Page) -> None:
        """Of a repeated name the first entry stays."""
        self.position += len(page.descriptors) + len(page.dropped)
        self.bad += page.dropped
        if page.hints is not None:
            self.hints.append(page.hints)
        for descriptor in page.descriptors:
            if self.items.setdefault(descriptor.name, descriptor) is not descriptor:
                label = descriptor.name[:LABEL_LENGTH]
                self.bad.append(BadEntry(label, "an earlier entry has its name"))


class ListingBuilder:
    """Collects the pages of one backend and says when to stop asking.

    Every list ends: a repeated cursor, too many pages, entries or bytes cut it off. What came before is kept,
    the reason stands in the listing's `incomplete`. A modern backend says how long its lists may be kept.
    """

    def __init__(self, backend: str, limits: ListingLimits | None = None, *, is_modern: bool = False) -> None:
        self._backend = backend
        self._is_modern = is_modern
        self._limits = limits or ListingLimits()
        self._bytes_left = self._limits.bytes
        self._kinds = {kind: _KindState() for kind in Kind}

    def add(self, kind: Kind, result_raw: bytes | msgspec.Raw) -> bytes | None:
        """Takes one page in; returns the JSON text of the cursor to go on with, None when the kind is done."""
        state = self._kinds[kind]
        cursor, flaw = self._take(kind, state, result_raw)
        if flaw:
            self.cut_off(kind, flaw)
        return None if state.cut_off else cursor

    def cut_off(self, kind: Kind, reason: str, *, is_passing: bool = False) -> None:
        """Ends a kind early, for instance because a page could not be had; the first reason counts.

        The reason reaches clients. `is_passing` where it may be another one soon.
        """
        state = self._kinds[kind]
        state.cut_off = state.cut_off or reason
        state.is_passing = state.is_passing or is_passing

    def build(self) -> Listing:
        """The listing of all that came."""
        items = {kind: tuple(state.items.values()) for kind, state in self._kinds.items()}
        return Listing(
            backend=self._backend,
            tools=items[Kind.TOOL],
            resources=items[Kind.RESOURCE],
            templates=items[Kind.TEMPLATE],
            prompts=items[Kind.PROMPT],
            dropped=tuple(dropped for kind in Kind for dropped in self._dropped(kind)),
            incomplete=tuple(
                Incomplete(self._backend, kind, state.cut_off) for kind, state in self._kinds.items() if state.cut_off
            ),
            hints=narrowest(each for state in self._kinds.values() for each in state.hints),
            passing=frozenset(kind for kind, state in self._kinds.items() if state.is_passing),
        )

    def _take(self, kind: Kind, state: _KindState, result_raw: bytes | msgspec.Raw) -> tuple[bytes | None, str]:
        """The next cursor, or why there is none although there should be."""
        self._bytes_left -= memoryview(result_raw).nbytes
        if self._bytes_left < 0:
            return None, f"more than {self._limits.bytes} bytes"
        page = parse_page(kind, result_raw, self._limits, state.position, is_modern=self._is_modern)
        if isinstance(page, BadListing):
            return None, page.reason
        state.take(page)
        if page.next_cursor is None:
            return None, page.cut_off
        if page.next_cursor in state.cursors:
            return None, "its nextCursor repeats"
        state.cursors.add(page.next_cursor)
        # Each page but the first has a cursor of its own: as many pages as cursors have been asked for.
        over = len(state.cursors) >= self._limits.pages
        return page.next_cursor, f"more than {self._limits.pages} pages" if over else ""

    def _dropped(self, kind: Kind) -> list[Dropped]:
        bad = self._kinds[kind].bad
        shown = [Dropped(self._backend, kind, each.label, each.reason) for each in bad[: self._limits.reports]]
        if len(bad) > len(shown):
            shown.append(Dropped(self._backend, kind, "…", f"and {len(bad) - len(shown)} more"))
        return shown
