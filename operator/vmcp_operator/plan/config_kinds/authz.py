"""The status of an MCPAuthzConfig."""

from typing import Final

from vmcp_api.kinds import MCPAuthzConfig
from vmcp_api.kinds.mcpauthzconfig import MCPAuthzConfigStatus
from vmcp_api.manifests.policies import check_entities, check_policies, doubt_policies
from vmcp_api.manifests.problems import Problems
from vmcp_api.manifests.resources import Resources
from vmcp_api.render.member import Refusal
from vmcp_api.render.policies import POLICIES
from vmcp_api.render.reasons import Reason
from vmcp_api.text.cedar_names import Names
from vmcp_operator.plan.conditions import PhaseReason
from vmcp_operator.plan.config_kinds.status import NOTHING, config_status, users_of
from vmcp_operator.plan.controller import Controller, Planned, Read, plan_nothing
from vmcp_operator.plan.kinds import AUTHZ_CONFIG, VMCP, Ref
from vmcp_operator.plan.world import Outcome, World


def authz_reads(key: Ref, _found: Resources) -> tuple[Read, ...]:
    """The endpoints that decide by it."""
    return users_of(key, (VMCP,))


def authz_status(world: World, _planned: Planned, _outcome: Outcome) -> tuple[MCPAuthzConfigStatus, PhaseReason]:
    """Whether its policies and entities can be read; those that cannot are named with their line.

    So is what they name and nothing has; which backends there are is told by the endpoints that decide by it.
    """
    config = world.resources.of(MCPAuthzConfig).get(world.key.name)
    refusals = _refusals(config) if config else ()
    doubts = _doubts(config, world) if config and not refusals else NOTHING
    return config_status(MCPAuthzConfigStatus, world, refusals, doubts)


def _doubts(config: MCPAuthzConfig, world: World) -> Problems:
    cedar = config.spec.config
    servers = frozenset(ref.name for ref in world.found if ref.kind is VMCP)
    return doubt_policies(cedar.policies, cedar.entities_json, POLICIES, Names(servers=servers or None))


def _refusals(config: MCPAuthzConfig) -> tuple[Refusal, ...]:
    cedar = config.spec.config
    policies = check_policies(cedar.policies, POLICIES)
    entities = check_entities(cedar.entities_json, ("spec", "config", "entities_json"))
    return (
        *(Refusal(Reason.POLICY_INVALID, each) for each in policies),
        *(Refusal(Reason.ENTITIES_INVALID, each) for each in entities),
    )


AUTHZ_CONTROLLER: Final[Controller[Planned]] = Controller(
    kind=AUTHZ_CONFIG, status_type=MCPAuthzConfigStatus, reads=authz_reads, plan=plan_nothing, status=authz_status
)
