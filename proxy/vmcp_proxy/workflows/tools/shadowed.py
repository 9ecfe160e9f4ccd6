"""Tools that backends list to some callers alone, and whose names composite tools have: told, for nobody sees them."""

from typing import Final

from vmcp_api.pod_status import COMPOSITE_TOOLS
from vmcp_proxy.core.catalog.capabilities import Conflict, ConflictReason
from vmcp_proxy.core.catalog.catalog import Catalog
from vmcp_proxy.protocol.kinds import Kind

_MOST: Final = 256


def find_shadowed(catalog: Catalog, names: frozenset[str]) -> tuple[Conflict, ...]:
    """The tools of a catalog that composite tools of these names stand before."""
    rivals = (tool for tool in catalog.tools if tool.exposed in names)
    return tuple(
        Conflict(Kind.TOOL, tool.exposed, COMPOSITE_TOOLS, (tool.backend,), ConflictReason.COMPOSITE)
        for tool in rivals
        if tool.backend
    )


class Shadowed:
    """Those that were met since the composite tools were configured, in the catalog of any caller; bounded."""

    def __init__(self) -> None:
        self._met: Final[dict[tuple[str, str], Conflict]] = {}

    @property
    def conflicts(self) -> tuple[Conflict, ...]:
        """In an order that only changes when there is another one."""
        return tuple(self._met[each] for each in sorted(self._met))

    def note(self, found: tuple[Conflict, ...]) -> None:
        """Remembers what was met in one catalog."""
        for each in found:
            if len(self._met) < _MOST:
                self._met.setdefault((each.name, each.losers[0]), each)

    def forget(self) -> None:
        """Other composite tools are in force."""
        self._met.clear()
