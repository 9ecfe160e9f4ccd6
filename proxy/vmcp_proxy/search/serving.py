"""What tool search stands on for the life of the process, and the layers of all configs on that."""

from collections.abc import Callable, Collection
from typing import Final

from vmcp_api.spec.optimizer import FIND_TOOL, Optimizer
from vmcp_proxy.core.catalog.capabilities import Conflict
from vmcp_proxy.core.catalog.catalog import Catalog
from vmcp_proxy.core.policy.rate_limit import RateLimit
from vmcp_proxy.core.stack import BuildSearch
from vmcp_proxy.core.virtual import VirtualMCP
from vmcp_proxy.search.indexes import Indexes
from vmcp_proxy.search.layer import ToolSearch
from vmcp_proxy.search.observer import SearchObserver
from vmcp_proxy.search.ranking.analysis import Analyzer
from vmcp_proxy.search.services import SearchServices
from vmcp_proxy.search.shadowed import Shadowed


class Serving:
    """Indexes and documents are kept over reloads; what their content is made of is what they are kept by."""

    def __init__(self, observer: SearchObserver) -> None:
        analyzer = Analyzer()
        self._services: Final = SearchServices(analyzer, Indexes(analyzer), Shadowed(), observer)

    def following(self, settings: Optimizer) -> BuildSearch:
        """What makes the layer of a config with these settings."""
        services = self._services
        services.shadowed.forget()

        def build(inner: VirtualMCP, limits: RateLimit | None, shared: Callable[[], Catalog]) -> VirtualMCP:
            return ToolSearch(inner, limits, shared, settings, services)

        return build

    @property
    def limited(self) -> Collection[str]:
        """Our tools that take tokens."""
        return (FIND_TOOL,)

    def conflicts(self, catalog: Catalog) -> tuple[Conflict, ...]:
        """The tools that stand behind ours, in the catalog or in those of callers."""
        return tuple(self._services.shadowed.conflicts(catalog))
