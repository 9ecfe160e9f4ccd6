"""Which backends may own a name that nobody has listed: a pure decision (ADR-0030)."""

from vmcp_api.spec.aggregation import Aggregation, ConflictResolution
from vmcp_proxy.core.catalog.exposed_names import add_prefix, may_bear_prefix
from vmcp_proxy.protocol.kinds import Kind


def may_own(aggregation: Aggregation, backend: str, kind: Kind, name: str) -> bool:
    """Whether the backend might list something that clients know by this name; anything may have any URI."""
    config = aggregation.conflict_resolution_config
    strategy = aggregation.conflict_resolution
    match kind:
        case Kind.TOOL:
            is_prefixed = strategy is ConflictResolution.PREFIX
        case Kind.PROMPT:
            is_prefixed = strategy is not ConflictResolution.PRIORITY or backend not in config.priority_order
        case _:
            is_prefixed = False
    if not is_prefixed:
        return True
    prefix = add_prefix(config.prefix_format, backend, "")
    return (
        name.startswith(prefix) if kind is Kind.PROMPT else may_bear_prefix(name, prefix, aggregation.tool_name_limit)
    )
