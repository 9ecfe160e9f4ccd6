"""The status of an MCPToolConfig."""

from typing import Final

from vmcp_api.kinds import MCPToolConfig
from vmcp_api.kinds.mcptoolconfig import MCPToolConfigStatus
from vmcp_api.manifests.file_checks import find_shared_names
from vmcp_api.manifests.resources import Resources
from vmcp_operator.plan.conditions import PhaseReason
from vmcp_operator.plan.config_kinds.status import NOTHING, USERS, config_status, users_of
from vmcp_operator.plan.controller import Controller, Planned, Read, plan_nothing
from vmcp_operator.plan.kinds import TOOL_CONFIG, Ref
from vmcp_operator.plan.world import Outcome, World


def tool_config_reads(key: Ref, _found: Resources) -> tuple[Read, ...]:
    """The servers, entries and endpoints that refer to it."""
    return users_of(key, USERS)


def tool_config_status(world: World, _planned: Planned, _outcome: Outcome) -> tuple[MCPToolConfigStatus, PhaseReason]:
    """Whether it can be used, as far as follows from itself: which tools there are is known to each endpoint's pods."""
    config = world.resources.of(MCPToolConfig).get(world.key.name)
    doubts = find_shared_names(config).as_warnings() if config else NOTHING
    return config_status(MCPToolConfigStatus, world, (), doubts)


TOOL_CONFIG_CONTROLLER: Final[Controller[Planned]] = Controller(
    kind=TOOL_CONFIG,
    status_type=MCPToolConfigStatus,
    reads=tool_config_reads,
    plan=plan_nothing,
    status=tool_config_status,
)
