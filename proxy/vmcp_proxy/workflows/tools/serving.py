"""What composite tools stand on for the life of the process, and the definitions that are in force."""

from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from typing import Final

from vmcp_api.spec.composite import CompositeTool
from vmcp_proxy.core.catalog.catalog import Catalog
from vmcp_proxy.core.explain.composites import CompositeView
from vmcp_proxy.core.stack import StepLayers
from vmcp_proxy.core.targets import find_step_tool
from vmcp_proxy.core.virtual import VirtualMCP
from vmcp_proxy.workflows.arguments import InputShapes
from vmcp_proxy.workflows.engine import Engine
from vmcp_proxy.workflows.tools.definition import NO_DEFINITIONS, Definitions
from vmcp_proxy.workflows.tools.layer import CompositeTools
from vmcp_proxy.workflows.tools.listing import extended, owner_of, place, view_of
from vmcp_proxy.workflows.tools.shadowed import Shadowed
from vmcp_proxy.workflows.tools.telemetry import Instrumented, WorkflowCounts


class Serving:
    """One engine, whose bounds are those of the process, behind the layers of all configs."""

    def __init__(self, counts: WorkflowCounts) -> None:
        self._runner: Final = Instrumented(Engine(), counts)
        self._shapes: Final = InputShapes()
        self._definitions: Definitions = NO_DEFINITIONS
        self._shadowed: Final = Shadowed()

    def configure(self, tools: Iterable[CompositeTool], maximum: float) -> None:
        """Takes over the tools of another config; see `Definitions.following`."""
        self._definitions = self._definitions.following(tools, maximum)
        self._shadowed.forget()

    def layer(self, inner: VirtualMCP, steps: StepLayers, shared: Callable[[], Catalog]) -> VirtualMCP:
        """See `BuildComposites`."""
        return CompositeTools(inner, steps, shared, self._definitions, self._runner, self._shapes, self._shadowed)

    @property
    def names(self) -> Collection[str]:
        """Those of all composite tools that are configured."""
        return (*self._definitions.by_name, *self._definitions.unusable)

    def look_up(self, catalog: Catalog, shared: Catalog, name: str) -> CompositeView | None:
        """See `Composites.look_up`."""
        return view_of(self._definitions, catalog, shared, name)

    def beside(self, catalog: Catalog) -> Catalog:
        """The catalog with all composite tools whose steps are there, whoever may take them, and what they shadow."""
        placed = place(self._definitions, catalog, catalog)
        placed = replace(placed, conflicts=placed.conflicts + self._shadowed.conflicts)
        return extended(catalog, placed, (each for each in placed.by_name.values() if each.is_whole))

    def within_steps(self, catalog: Catalog) -> Collection[str]:
        """The tools that steps call, by the names that limits and policies know them by; hidden ones among them.

        Of a composite tool whose name a tool of a backend has, no step is ever called.
        """
        served = (each for name, each in self._definitions.by_name.items() if owner_of(catalog, name) is None)
        tools = (find_step_tool(catalog, tool) for each in served for tool in each.workflow.tools)
        return frozenset(tool.exposed for tool in tools if tool is not None)
