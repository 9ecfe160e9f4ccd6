"""What an operation is about: the one look-up that admission and routing share.

Two look-ups that differ in a corner would let a caller be admitted to one thing and reach another.
"""

from vmcp_proxy.core.catalog.capabilities import Capability
from vmcp_proxy.core.catalog.catalog import Catalog
from vmcp_proxy.core.virtual import Operation
from vmcp_proxy.protocol.kinds import Kind


def find_target(catalog: Catalog, operation: Operation) -> Capability | None:
    """The capability that the operation names; None where there is none that clients can reach.

    A URI belongs to the resource that bears it, else to the first template that can expand to it. What is served
    comes before what is away for now.
    """
    found = _find(catalog, operation)
    return found if found is not None or catalog.away is None else _find(catalog.away, operation)


def find_step_tool(catalog: Catalog, name: str) -> Capability | None:
    """The tool that a step of a composite tool names, whether or not clients can reach it; as `find_target`."""
    found = catalog.find_for_step(name)
    return found if found is not None or catalog.away is None else catalog.away.find_for_step(name)


def _find(catalog: Catalog, operation: Operation) -> Capability | None:
    name = operation.name
    match operation.kind:
        case Kind.TOOL:
            return catalog.find(Kind.TOOL, name)
        case Kind.PROMPT:
            return catalog.find(Kind.PROMPT, name)
        case Kind.RESOURCE:
            return catalog.owner_of(name)
        case Kind.TEMPLATE:
            return catalog.find(Kind.TEMPLATE, name) or catalog.owner_of(name)
        case None:
            return None
