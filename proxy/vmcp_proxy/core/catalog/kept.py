"""Catalogs that are kept although no client sees them just now."""

from collections import deque
from typing import Final

from vmcp_proxy.core.catalog.catalog import Catalog
from vmcp_proxy.protocol.kinds import Kind

MOST_CATALOGS: Final = 64
MOST_BYTES: Final = 64 << 20

_ENTRY_BYTES: Final = 500
"""What an entry takes beside its descriptor."""
_ALWAYS: Final = 2
"""What stays however large: the catalogs of the proxy itself and of one caller, who are served in turn."""


class KeptCatalogs:
    """The latest catalogs, at most so many and so large together (ADR-0018)."""

    def __init__(self, most: int = MOST_CATALOGS, most_bytes: int = MOST_BYTES) -> None:
        self._most: Final = most
        self._most_bytes: Final = most_bytes
        self._kept: Final[deque[tuple[Catalog, int]]] = deque()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._kept)

    def add(self, catalog: Catalog) -> None:
        """Keeps a new one; those kept longest give way."""
        size = _size_of(catalog)
        self._kept.append((catalog, size))
        self._bytes += size
        while len(self._kept) > self._most or (self._bytes > self._most_bytes and len(self._kept) > _ALWAYS):
            _, gone = self._kept.popleft()
            self._bytes -= gone

    def clear(self) -> None:
        """Keeps none of them any more."""
        self._kept.clear()
        self._bytes = 0


def _size_of(catalog: Catalog) -> int:
    entries = [*catalog.pages, *catalog.hidden, *(entry for kind in Kind for entry in catalog.of(kind))]
    away = 0 if catalog.away is None else _size_of(catalog.away)
    return sum(len(entry.raw) + _ENTRY_BYTES for entry in entries) + away
