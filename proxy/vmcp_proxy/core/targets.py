"""What an operation is about: the one look-up that admission and routing share.

Two look-ups that differ in a corner would let a caller be admitted to one thing and reach another.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from vmcp_proxy.core.catalog.capabilities import Capability, Kind
from vmcp_proxy.core.catalog.catalog import Catalog
from vmcp_proxy.core.virtual import Operation
from vmcp_proxy.protocol.params import InvalidParamsError, parse_members

_KIND_OF_METHOD: Final[Mapping[str, Kind]] = MappingProxyType(
    {
        "tools/call": Kind.TOOL,
        "prompts/get": Kind.PROMPT,
        "resources/read": Kind.RESOURCE,
        "resources/subscribe": Kind.RESOURCE,
        "resources/unsubscribe": Kind.RESOURCE,
    }
)


def target_kind(operation: Operation) -> Kind | None:
    """The kind of what the operation names; None where it names nothing.

    A completion is for a prompt, or for a template: its reference has a `uri` then, whatever else it has.
    """
    if operation.method != "completion/complete":
        return _KIND_OF_METHOD.get(operation.method)
    try:
        reference = parse_members(operation.members.get("ref"))
    except InvalidParamsError:
        return None
    if "uri" in reference:
        return Kind.TEMPLATE
    return Kind.PROMPT if "name" in reference else None


def find_target(catalog: Catalog, operation: Operation) -> Capability | None:
    """The capability that the operation names; None where there is none that clients can reach.

    A URI belongs to the resource that bears it, else to the first template that can expand to it. What is served
    comes before what is away for now.
    """
    found = _find(catalog, operation)
    return found if found is not None or catalog.away is None else _find(catalog.away, operation)


def _find(catalog: Catalog, operation: Operation) -> Capability | None:
    name = operation.name
    match target_kind(operation):
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
