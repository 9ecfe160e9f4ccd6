"""Which backends may own a name that nobody has listed: a pure decision (ADR-0030)."""

from vmcp_api.spec.aggregation import Aggregation, ConflictResolution
from vmcp_proxy.core.catalog.exposed_names import add_prefix, kept_beginning, may_bear_prefix
from vmcp_proxy.protocol.kinds import Kind


def may_own(aggregation: Aggregation, backend: str, kind: Kind, name: str) -> bool:
    """Whether the backend might list something that clients know by this name; anything may have any URI."""
    prefix = _prefix_of(aggregation, backend, kind)
    if kind is Kind.TOOL and prefix:
        return may_bear_prefix(name, prefix, aggregation.tool_name_limit)
    return name.startswith(prefix)


def may_own_for_step(aggregation: Aggregation, backend: str, tool: str) -> bool:
    """Whether a step of a composite tool may mean a tool of the backend by this name (`Catalog.find_for_step`)."""
    return tool.startswith(f"{backend}.") or may_own(aggregation, backend, Kind.TOOL, tool)


def beginning_of(aggregation: Aggregation, backend: str, kind: Kind) -> str:
    """What the exposed names of all that a backend may have of a kind begin with; empty where that is not known."""
    prefix = _prefix_of(aggregation, backend, kind)
    return kept_beginning(prefix, aggregation.tool_name_limit) if kind is Kind.TOOL else prefix


def _prefix_of(aggregation: Aggregation, backend: str, kind: Kind) -> str:
    config = aggregation.conflict_resolution_config
    strategy = aggregation.conflict_resolution
    match kind:
        case Kind.TOOL:
            is_prefixed = strategy is ConflictResolution.PREFIX
        case Kind.PROMPT:
            is_prefixed = strategy is not ConflictResolution.PRIORITY or backend not in config.priority_order
        case _:
            is_prefixed = False
    return add_prefix(config.prefix_format, backend, "") if is_prefixed else ""
