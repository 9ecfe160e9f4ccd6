"""The status of an MCPExternalAuthConfig."""

from typing import Final

from vmcp_api.kinds import MCPExternalAuthConfig
from vmcp_api.kinds.mcpexternalauthconfig import MCPExternalAuthConfigStatus
from vmcp_api.manifests.resources import Resources
from vmcp_api.render.member import refuse_bundle
from vmcp_operator.plan.conditions import PhaseReason
from vmcp_operator.plan.config_kinds.status import USERS, config_status, users_of
from vmcp_operator.plan.controller import Controller, Planned, Read, plan_nothing
from vmcp_operator.plan.kinds import EXTERNAL_AUTH_CONFIG, Ref
from vmcp_operator.plan.references import read_strategy_bundles
from vmcp_operator.plan.world import Outcome, World


def external_auth_reads(key: Ref, found: Resources) -> tuple[Read, ...]:
    """The servers, entries and endpoints that refer to it, and the CA bundles of its token endpoints."""
    config = found.of(MCPExternalAuthConfig).get(key.name)
    return (*users_of(key, USERS), *read_strategy_bundles(key.namespace, (config.spec,) if config else ()))


def external_auth_status(
    world: World, _planned: Planned, _outcome: Outcome
) -> tuple[MCPExternalAuthConfigStatus, PhaseReason]:
    """Whether it can be used, as far as the cluster knows: nobody asks a token endpoint or reads a Secret."""
    config = world.resources.of(MCPExternalAuthConfig).get(world.key.name)
    bundles = (
        (reach.ca_bundle_ref.key_ref, ("spec", *place, "caBundleRef", "configMapRef"))
        for place, reach in (config.spec.endpoints() if config else ())
        if reach.ca_bundle_ref
    )
    refusals = (refuse_bundle(ref, world.resources, place) for ref, place in bundles)
    return config_status(MCPExternalAuthConfigStatus, world, tuple(each for each in refusals if each))


EXTERNAL_AUTH_CONTROLLER: Final[Controller[Planned]] = Controller(
    kind=EXTERNAL_AUTH_CONFIG,
    status_type=MCPExternalAuthConfigStatus,
    reads=external_auth_reads,
    plan=plan_nothing,
    status=external_auth_status,
)
