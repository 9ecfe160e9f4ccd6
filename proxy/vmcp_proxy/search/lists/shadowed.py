"""Tools of backends that have the names of ours: told, for no list shows them while tools are searched."""

from collections.abc import Iterable
from typing import Final

from vmcp_api.pod_status import COMPOSITE_TOOLS, OPTIMIZER
from vmcp_proxy.core.catalog.capabilities import Conflict, ConflictReason
from vmcp_proxy.core.catalog.catalog import Catalog
from vmcp_proxy.protocol.kinds import Kind
from vmcp_proxy.search.lists.own_tools import OWN_NAMES

_MOST: Final = 256


class Shadowed:
    """Those that were met in the catalog of any caller; bounded."""

    def __init__(self) -> None:
        self._met: Final[set[tuple[str, str]]] = set()

    def note(self, catalog: Catalog) -> None:
        """Remembers what stands in one catalog."""
        for name in OWN_NAMES:
            tool = catalog.find(Kind.TOOL, name)
            if tool is not None and len(self._met) < _MOST:
                self._met.add((name, tool.backend or COMPOSITE_TOOLS))

    def has(self, name: str) -> bool:
        """Whether somebody's catalog has a tool of this name."""
        return bool(self._met) and any(name == met for met, _ in self._met)

    def conflicts(self, catalog: Catalog) -> Iterable[Conflict]:
        """Those of a catalog and those that were met, in an order that only changes when there is another one."""
        self.note(catalog)
        return (
            Conflict(Kind.TOOL, name, OPTIMIZER, (loser,), ConflictReason.SEARCH) for name, loser in sorted(self._met)
        )

    def forget(self) -> None:
        """Another config is in force."""
        self._met.clear()
