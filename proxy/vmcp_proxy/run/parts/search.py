"""Tool search over reloads: what of it a config leaves as it was is kept, and so are its indexes."""

from collections.abc import Collection
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from vmcp_api.config import ProxyConfig
from vmcp_proxy.core.catalog.catalog import Catalog
from vmcp_proxy.core.stack import BuildSearch
from vmcp_proxy.observability.metrics import Metrics

if TYPE_CHECKING:
    from vmcp_proxy.search.serving import Serving


class LiveSearch:
    """Follows `optimizer` of the config."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics: Final = metrics
        self._serving: Serving | None = None
        self._is_on = False

    def follow(self, config: ProxyConfig) -> BuildSearch | None:
        """What makes the layer of a config; None where it has none."""
        settings = config.config.optimizer
        self._is_on = settings is not None and settings.enabled
        if settings is None or not settings.enabled:
            return None
        if self._serving is None:
            # Imported where somebody searches: what ranks weighs more than the core.
            from vmcp_proxy.search.serving import Serving  # noqa: PLC0415

            self._serving = Serving(self._metrics)
        return self._serving.following(settings)

    @property
    def limited(self) -> Collection[str]:
        """The tools of its own that take tokens; what is called through the other one takes those of its own name."""
        if not self._is_on or self._serving is None:
            return ()
        return self._serving.limited

    def beside(self, catalog: Catalog) -> Catalog:
        """What the proxy itself sees of a catalog: with what is to be told of tools that have the names of ours."""
        if self._serving is None or not self._is_on:
            return catalog
        return replace(catalog, conflicts=catalog.conflicts + self._serving.conflicts(catalog))
