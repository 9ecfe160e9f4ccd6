"""Where composite tools stand in a catalog: which have their name, and which of their tools are there; pure."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from vmcp_api.pod_status import COMPOSITE_TOOLS
from vmcp_proxy.core.catalog.capabilities import Capability, Conflict, ConflictReason, Dropped, Unmatched
from vmcp_proxy.core.catalog.catalog import Catalog
from vmcp_proxy.core.explain.composites import CompositeView
from vmcp_proxy.core.targets import find_step_tool
from vmcp_proxy.protocol.kinds import Kind
from vmcp_proxy.workflows.tools.definition import Definition, Definitions
from vmcp_proxy.workflows.tools.hints import WORST, broken_promises, floor_of, hints_with


@dataclass(frozen=True, slots=True, eq=False)
class Placement:
    """A composite tool that has its name: `tools` are those of its steps that are known, those away among them.

    `is_whole` where all of them can be called now.
    """

    definition: Definition
    capability: Capability
    tools: tuple[Capability, ...]
    is_whole: bool


@dataclass(frozen=True, slots=True)
class Placed:
    """The composite tools of a config in a catalog; the rest is for the operator's eyes."""

    by_name: Mapping[str, Placement]
    conflicts: tuple[Conflict, ...]
    dropped: tuple[Dropped, ...]
    unmatched: tuple[Unmatched, ...]


def place(definitions: Definitions, catalog: Catalog, shared: Catalog) -> Placed:
    """What becomes of composite tools beside the tools of a caller's catalog.

    A name that a tool of a backend has, hidden or away, is that tool's: only the composite tool goes without. Which
    names those are follows from what the proxy itself sees, `shared`, for all callers alike: what one of them may see,
    or a backend tells it alone, neither withholds a composite tool nor puts something else in its place.
    """
    found: dict[str, Placement] = {}
    conflicts: list[Conflict] = []
    dropped = [Dropped("", Kind.TOOL, name, reason) for name, reason in definitions.unusable.items()]
    unmatched: list[Unmatched] = []
    for name, definition in sorted(definitions.by_name.items()):
        owner = owner_of(shared, name)
        if owner is not None:
            conflicts.append(Conflict(Kind.TOOL, name, owner, (COMPOSITE_TOOLS,), ConflictReason.COMPOSITE))
            continue
        placement = _placement(definition, catalog)
        if isinstance(placement, str):
            dropped.append(Dropped("", Kind.TOOL, name, placement))
            continue
        found[name] = placement
        unmatched += _unmatched(definition, catalog)
    return Placed(found, tuple(conflicts), tuple(dropped), tuple(unmatched))


def view_of(definitions: Definitions, catalog: Catalog, shared: Catalog, name: str) -> CompositeView | None:
    """A composite tool for whoever asks why it is not served; None where it is none, or its name is another tool's."""
    if name in definitions.unusable:
        return CompositeView(None, withheld=definitions.unusable[name])
    definition = definitions.by_name.get(name)
    if definition is None or owner_of(shared, name) is not None:
        return None
    tools = tuple((tool, find_step_tool(catalog, tool)) for tool in definition.workflow.tools)
    missing = tuple(tool for tool in definition.workflow.tools if catalog.find_for_step(tool) is None)
    placement = _placement(definition, catalog)
    withheld = placement if isinstance(placement, str) else ""
    capability = None if isinstance(placement, str) else placement.capability
    return CompositeView(capability, tools, missing, definition.tool.authorize_steps, withheld)


def owner_of(catalog: Catalog, name: str) -> str | None:
    """The backend whose tool has the name; by what its steps might call it no tool has one."""
    found = find_step_tool(catalog, name)
    if found is None or found.exposed != name:
        return None
    # A composite tool itself, in a catalog that has them already, is of no backend.
    return found.backend or None


def _placement(definition: Definition, catalog: Catalog) -> Placement | str:
    """Where it stands, or why it cannot be served."""
    declared = definition.tool.annotations
    tools = [find_step_tool(catalog, name) for name in definition.workflow.tools]
    known = tuple(tool for tool in tools if tool is not None)
    floor = floor_of([tool.annotations if tool is not None else WORST for tool in tools])
    if len(known) < len(tools):
        # What its steps keep is not known: nothing is promised.
        return Placement(definition, definition.capability(floor), known, is_whole=False)
    if broken := ", ".join(broken_promises(declared, floor)):
        return (
            f"its annotations promise more than its steps keep: {broken}; leave them out, or set them to the contrary"
        )
    is_whole = all(catalog.find_for_step(name) is not None for name in definition.workflow.tools)
    return Placement(definition, definition.capability(hints_with(declared, floor)), known, is_whole)


def _unmatched(definition: Definition, catalog: Catalog) -> Iterator[Unmatched]:
    """Tools of steps that no backend has; not told while some backend may yet list more."""
    if catalog.missing or catalog.incomplete:
        return
    for name in definition.workflow.tools:
        if find_step_tool(catalog, name) is None:
            yield Unmatched("", COMPOSITE_TOOLS, f"{definition.tool.name}: {name}")


def extended(catalog: Catalog, placed: Placed, shown: Iterable[Placement]) -> Catalog:
    """The catalog with these composite tools, and the reports; what others have their names in it is not served."""
    if any(catalog.find(Kind.TOOL, name) for name in placed.by_name):
        catalog = replace(catalog, tools=tuple(tool for tool in catalog.tools if tool.exposed not in placed.by_name))
    return catalog.with_tools(
        tuple(each.capability for each in shown), placed.conflicts, placed.dropped, placed.unmatched
    )
