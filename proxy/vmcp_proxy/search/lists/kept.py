"""What becomes of catalogs, kept for as long as these are."""

from collections.abc import Callable
from typing import Final
from weakref import WeakKeyDictionary, WeakValueDictionary

from vmcp_proxy.core.catalog.catalog import Catalog
from vmcp_proxy.search.lists.listing import Served


class KeptServed:
    """Has what becomes of each catalog made once for all that are of the same version, whoever sees them.

    Nothing is held that no catalog is there for: what a backend lists with a caller's credentials goes as it would
    without a search.
    """

    def __init__(self, make: Callable[[Catalog], Served]) -> None:
        self._make: Final = make
        self._of: Final[WeakKeyDictionary[Catalog, Served]] = WeakKeyDictionary()
        self._by_version: Final[WeakValueDictionary[str, Served]] = WeakValueDictionary()

    def __len__(self) -> int:
        return len(self._of)

    def of(self, catalog: Catalog) -> Served:
        """What becomes of one catalog."""
        kept = self._of.get(catalog)
        if kept is None:
            kept = self._by_version.get(catalog.version)
            if kept is None:
                kept = self._by_version[catalog.version] = self._make(catalog)
            self._of[catalog] = kept
        return kept
