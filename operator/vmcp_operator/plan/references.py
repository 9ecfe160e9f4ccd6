"""Reads that several kinds make: what backends are shown, which tools are seen, and CA bundles."""

from collections.abc import Iterable

from vmcp_api.kinds import MCPExternalAuthConfig, MCPServer, MCPServerEntry, MCPTelemetryConfig
from vmcp_api.kinds.strategies import StrategySpec
from vmcp_api.manifests.resolve import Member
from vmcp_api.manifests.resources import Resources
from vmcp_api.spec.references import CaBundleRef, NameRef
from vmcp_operator.plan.controller import Read
from vmcp_operator.plan.kinds import CONFIG_MAP, EXTERNAL_AUTH_CONFIG, TOOL_CONFIG, Ref


def read_entry_bundles(namespace: str, found: Resources) -> tuple[Read, ...]:
    """The CA bundles of the entries that were found."""
    return read_bundles(namespace, (entry.spec.ca_bundle_ref for entry in found.of(MCPServerEntry).values()))


def read_member_auth(namespace: str, found: Resources) -> tuple[Read, ...]:
    """What the members that were found refer to for what they are shown, and what that refers to."""
    members: tuple[Member, ...] = (*found.of(MCPServer).values(), *found.of(MCPServerEntry).values())
    return (
        *read_auth_configs(namespace, (member.spec.external_auth_config_ref for member in members)),
        *read_strategy_bundles(namespace, (each.spec for each in found.of(MCPExternalAuthConfig).values())),
    )


def read_member_tools(namespace: str, found: Resources) -> tuple[Read, ...]:
    """What the members that were found refer to for which of their tools are seen."""
    members: tuple[Member, ...] = (*found.of(MCPServer).values(), *found.of(MCPServerEntry).values())
    return read_tool_configs(namespace, (member.spec.tool_config_ref for member in members))


def read_tool_configs(namespace: str, refs: Iterable[NameRef | None]) -> tuple[Read, ...]:
    """The MCPToolConfigs that are named."""
    return tuple(Ref(TOOL_CONFIG, namespace, ref.name) for ref in refs if ref)


def read_auth_configs(namespace: str, refs: Iterable[NameRef | None]) -> tuple[Read, ...]:
    """The MCPExternalAuthConfigs that are named."""
    return tuple(Ref(EXTERNAL_AUTH_CONFIG, namespace, ref.name) for ref in refs if ref)


def read_strategy_bundles(namespace: str, strategies: Iterable[StrategySpec]) -> tuple[Read, ...]:
    """The CA bundles of the token endpoints of strategies."""
    return read_bundles(namespace, (reach.ca_bundle_ref for each in strategies for _, reach in each.endpoints()))


def read_collector_bundles(namespace: str, found: Resources) -> tuple[Read, ...]:
    """The CA bundles of the collectors of the telemetry settings that were found."""
    settings = (each.spec.open_telemetry for each in found.of(MCPTelemetryConfig).values())
    return read_bundles(namespace, (each.ca_bundle_ref for each in settings if each))


def read_bundles(namespace: str, refs: Iterable[CaBundleRef | None]) -> tuple[Read, ...]:
    """The ConfigMaps that CA bundles are in."""
    return tuple(Ref(CONFIG_MAP, namespace, ref.config_map_ref.name) for ref in refs if ref)
