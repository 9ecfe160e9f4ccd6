"""The status of an MCPOIDCConfig."""

from typing import Final

from vmcp_api.kinds import MCPOIDCConfig
from vmcp_api.kinds.mcpoidcconfig import MCPOIDCConfigStatus
from vmcp_api.manifests.resources import Resources
from vmcp_api.render.member import refuse_bundle
from vmcp_operator.plan.conditions import PhaseReason
from vmcp_operator.plan.config_kinds.status import config_status, users_of
from vmcp_operator.plan.controller import Controller, Planned, Read, plan_nothing
from vmcp_operator.plan.kinds import OIDC_CONFIG, VMCP, Ref
from vmcp_operator.plan.references import read_bundles
from vmcp_operator.plan.world import Outcome, World


def oidc_reads(key: Ref, found: Resources) -> tuple[Read, ...]:
    """The endpoints that identify their callers by it, and its CA bundle."""
    config = found.of(MCPOIDCConfig).get(key.name)
    bundle = config.spec.inline.ca_bundle_ref if config else None
    return (*users_of(key, (VMCP,)), *read_bundles(key.namespace, (bundle,)))


def oidc_status(world: World, _planned: Planned, _outcome: Outcome) -> tuple[MCPOIDCConfigStatus, PhaseReason]:
    """Whether callers can be identified by it, as far as the cluster knows: nobody asks the provider."""
    config = world.resources.of(MCPOIDCConfig).get(world.key.name)
    bundle = config.spec.inline.ca_bundle_ref if config else None
    place = ("spec", "inline", "caBundleRef", "configMapRef")
    refusal = refuse_bundle(bundle.key_ref, world.resources, place) if bundle else None
    return config_status(MCPOIDCConfigStatus, world, (refusal,) if refusal else ())


OIDC_CONTROLLER: Final[Controller[Planned]] = Controller(
    kind=OIDC_CONFIG, status_type=MCPOIDCConfigStatus, reads=oidc_reads, plan=plan_nothing, status=oidc_status
)
