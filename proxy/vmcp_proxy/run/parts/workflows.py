"""Composite tools over reloads: what of them a config leaves as it was is kept."""

from collections.abc import Collection
from typing import TYPE_CHECKING, Final

from vmcp_api.config import ProxyConfig
from vmcp_proxy.core.catalog.catalog import Catalog
from vmcp_proxy.core.explain.composites import CompositeView
from vmcp_proxy.core.stack import BuildComposites
from vmcp_proxy.observability.metrics import Metrics

if TYPE_CHECKING:
    from vmcp_proxy.workflows.tools.serving import Serving


class LiveWorkflows:
    """Follows the composite tools of the config; what runs ends by the definition that it began with."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics: Final = metrics
        self._serving: Serving | None = None

    def follow(self, config: ProxyConfig) -> BuildComposites | None:
        """What makes the layer of the tools of a config; None where it has none."""
        tools = config.config.composite_tools
        if self._serving is None and tools:
            # Imported where somebody has composite tools: templates and schemas weigh more than the core.
            from vmcp_proxy.workflows.tools.serving import Serving  # noqa: PLC0415

            self._serving = Serving(self._metrics)
        if self._serving is None:
            return None
        self._metrics.keep_workflows({tool.name for tool in tools})
        self._serving.configure(tools, config.config.operational.timeouts.maximum)
        return self._serving.layer if tools else None

    @property
    def names(self) -> Collection[str]:
        """See `Composites.names`."""
        return () if self._serving is None else self._serving.names

    def look_up(self, catalog: Catalog, shared: Catalog, name: str) -> CompositeView | None:
        """See `Composites.look_up`."""
        return None if self._serving is None else self._serving.look_up(catalog, shared, name)

    def beside(self, catalog: Catalog) -> Catalog:
        """What the proxy itself sees of a catalog: with the composite tools whose steps are there."""
        return catalog if self._serving is None else self._serving.beside(catalog)

    def within_steps(self, catalog: Catalog) -> Collection[str]:
        """See `Serving.within_steps`."""
        return () if self._serving is None else self._serving.within_steps(catalog)
