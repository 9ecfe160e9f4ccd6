"""What tool search stands on for the life of the process, and the layers of all configs on that."""

import logging
from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Final

from vmcp_api.pod_status import HYBRID, LEXICAL
from vmcp_api.spec.optimizer import FIND_TOOL, Optimizer
from vmcp_proxy.core.catalog.capabilities import Conflict
from vmcp_proxy.core.catalog.catalog import Catalog
from vmcp_proxy.core.policy.rate_limit import RateLimit
from vmcp_proxy.core.stack import BuildSearch
from vmcp_proxy.core.virtual import VirtualMCP
from vmcp_proxy.observability.logs import describe_exception, log_event
from vmcp_proxy.search.aside import Aside
from vmcp_proxy.search.finding.indexes import Indexes
from vmcp_proxy.search.finding.model_texts import ModelTexts
from vmcp_proxy.search.layer import ToolSearch
from vmcp_proxy.search.lists.listing import Served, serve
from vmcp_proxy.search.lists.shadowed import Shadowed
from vmcp_proxy.search.observer import SearchObserver
from vmcp_proxy.search.ranking.installed import InstalledAnalyzer
from vmcp_proxy.search.services import Ranks, SearchServices

logger: Final = logging.getLogger("vmcp.search")


class Serving:
    """Indexes and documents are kept over reloads; what their content is made of is what they are kept by."""

    limited: Final[Collection[str]] = (FIND_TOOL,)
    """Our tools that take tokens."""

    def __init__(self, observer: SearchObserver) -> None:
        self._analyzer: Final = InstalledAnalyzer()
        aside = Aside()
        indexes = Indexes(self._analyzer, aside)
        texts = ModelTexts(aside)
        self._services: Final = SearchServices(aside, self._analyzer, indexes, texts, Shadowed(), observer)
        self._settings = Optimizer()
        self._served: tuple[str, Served] | None = None

    def warm(self) -> None:
        """Loads what the first search would wait for; call it off the event loop. What fails there fails searches."""
        try:
            self._analyzer.query("search")
        except Exception as error:  # noqa: BLE001 - the endpoint serves without its search
            log_event(logger, logging.ERROR, "tools cannot be ranked", error=describe_exception(error))
            return
        if (lack := self._analyzer.unavailable) is not None:
            log_event(logger, logging.INFO, "tools are ranked by words alone", reason=lack.reason)

    @property
    def ranking(self) -> str:
        """What ranks in the process, `LEXICAL` or `HYBRID`, once that is known."""
        return HYBRID if self._analyzer.unavailable is None else LEXICAL

    def following(self, settings: Optimizer, embedder: Ranks | None) -> BuildSearch:
        """What makes the layer of a config with these settings."""
        self._settings, self._served = settings, None
        services = replace(self._services, embedder=embedder)
        services.shadowed.forget()

        def build(inner: VirtualMCP, limits: RateLimit | None, shared: Callable[[], Catalog]) -> VirtualMCP:
            return ToolSearch(inner, limits, shared, settings, services)

        return build

    def served(self, catalog: Catalog) -> Served:
        """What becomes of a catalog under the settings in force."""
        if self._served is None or self._served[0] != catalog.version:
            self._served = catalog.version, serve(catalog, self._settings)
        return self._served[1]

    def close(self) -> None:
        """Searches nothing any more."""
        self._services.aside.close()

    def conflicts(self, catalog: Catalog) -> tuple[Conflict, ...]:
        """The tools that stand behind ours, in the catalog or in those of callers."""
        return tuple(self._services.shadowed.conflicts(catalog))
