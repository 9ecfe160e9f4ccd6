"""The status of an MCPTelemetryConfig."""

from typing import Final

from vmcp_api.kinds import MCPTelemetryConfig
from vmcp_api.kinds.mcptelemetryconfig import MCPTelemetryConfigStatus
from vmcp_api.manifests.resources import Resources
from vmcp_api.render.observability.telemetry import doubt_endpoint, refuse_telemetry
from vmcp_operator.plan.conditions import PhaseReason
from vmcp_operator.plan.config_kinds.status import NOTHING, config_status, users_of
from vmcp_operator.plan.controller import Controller, Planned, Read, plan_nothing
from vmcp_operator.plan.kinds import TELEMETRY_CONFIG, VMCP, Ref
from vmcp_operator.plan.references import read_collector_bundles
from vmcp_operator.plan.world import Outcome, World


def telemetry_reads(key: Ref, found: Resources) -> tuple[Read, ...]:
    """The endpoints that send by it, and the CA bundle of its collector."""
    return (*users_of(key, (VMCP,)), *read_collector_bundles(key.namespace, found))


def telemetry_status(
    world: World, _planned: Planned, _outcome: Outcome
) -> tuple[MCPTelemetryConfigStatus, PhaseReason]:
    """Whether it can be used, as far as the cluster knows: nobody asks the collector or reads a Secret."""
    config = world.resources.of(MCPTelemetryConfig).get(world.key.name)
    refusal = refuse_telemetry(config, world.resources) if config else None
    doubts = doubt_endpoint(config) if config else NOTHING
    return config_status(MCPTelemetryConfigStatus, world, (refusal,) if refusal else (), doubts)


TELEMETRY_CONTROLLER: Final[Controller[Planned]] = Controller(
    kind=TELEMETRY_CONFIG,
    status_type=MCPTelemetryConfigStatus,
    reads=telemetry_reads,
    plan=plan_nothing,
    status=telemetry_status,
)
