"""The status of settings that others refer to: providers, strategies and policies. Nothing runs for them."""

from typing import Any, Final

from vmcp_api.kinds.mcpauthzconfig import MCPAuthzConfigStatus
from vmcp_api.kinds.mcpexternalauthconfig import MCPExternalAuthConfigStatus
from vmcp_api.kinds.mcpoidcconfig import MCPOIDCConfigStatus
from vmcp_api.kinds.status import ConfigStatus
from vmcp_operator.plan.conditions import Finding, PhaseReason, build_conditions, summarise
from vmcp_operator.plan.controller import Controller, Planned, plan_nothing
from vmcp_operator.plan.kinds import AUTHZ_CONFIG, EXTERNAL_AUTH_CONFIG, OIDC_CONFIG, Kind
from vmcp_operator.plan.world import Outcome, World


def _controller(kind: Kind, status_type: type[ConfigStatus]) -> Controller[Any]:
    def status(world: World, planned: Planned, _outcome: Outcome) -> tuple[ConfigStatus, PhaseReason]:
        problems = planned.problems
        message = summarise(problems)
        finding = Finding("Valid", not problems, "Invalid" if problems else "Valid", message)
        conditions = build_conditions((finding,), world.conditions, world.now, world.generation)
        decided = PhaseReason("Failed" if problems else "Valid", finding.reason, message)
        return status_type(observed_generation=world.generation, conditions=conditions), decided

    return Controller(kind=kind, status_type=status_type, plan=plan_nothing, status=status)


AUTH_CONTROLLERS: Final = (
    _controller(EXTERNAL_AUTH_CONFIG, MCPExternalAuthConfigStatus),
    _controller(OIDC_CONFIG, MCPOIDCConfigStatus),
    _controller(AUTHZ_CONFIG, MCPAuthzConfigStatus),
)
