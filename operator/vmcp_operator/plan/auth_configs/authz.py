"""The status of an MCPAuthzConfig."""

from typing import Final

from vmcp_api.kinds import MCPAuthzConfig
from vmcp_api.kinds.mcpauthzconfig import MCPAuthzConfigStatus
from vmcp_api.manifests.policies import check_entities, check_policies
from vmcp_api.manifests.resources import Resources
from vmcp_api.render.member import Refusal
from vmcp_api.render.reasons import Reason
from vmcp_operator.plan.auth_configs.status import config_status, users_of
from vmcp_operator.plan.conditions import PhaseReason
from vmcp_operator.plan.controller import Controller, Planned, Read, plan_nothing
from vmcp_operator.plan.kinds import AUTHZ_CONFIG, VMCP, Ref
from vmcp_operator.plan.world import Outcome, World


def authz_reads(key: Ref, _found: Resources) -> tuple[Read, ...]:
    """The endpoints that decide by it."""
    return users_of(key, (VMCP,))


def authz_status(world: World, _planned: Planned, _outcome: Outcome) -> tuple[MCPAuthzConfigStatus, PhaseReason]:
    """Whether its policies and entities can be read; those that cannot are named with their line."""
    config = world.resources.of(MCPAuthzConfig).get(world.key.name)
    return config_status(MCPAuthzConfigStatus, world, _refusals(config) if config else ())


def _refusals(config: MCPAuthzConfig) -> tuple[Refusal, ...]:
    cedar = config.spec.config
    policies = check_policies(cedar.policies, ("spec", "config", "policies"))
    entities = check_entities(cedar.entities_json, ("spec", "config", "entities_json"))
    return (
        *(Refusal(Reason.POLICY_INVALID, each) for each in policies),
        *(Refusal(Reason.ENTITIES_INVALID, each) for each in entities),
    )


AUTHZ_CONTROLLER: Final[Controller[Planned]] = Controller(
    kind=AUTHZ_CONFIG, status_type=MCPAuthzConfigStatus, reads=authz_reads, plan=plan_nothing, status=authz_status
)
