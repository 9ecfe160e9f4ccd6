"""Every kind that is reconciled, one record each."""

from typing import Any, Final

from vmcp_operator.plan.config_kinds.authz import AUTHZ_CONTROLLER
from vmcp_operator.plan.config_kinds.composite_tool import COMPOSITE_TOOL_CONTROLLER
from vmcp_operator.plan.config_kinds.external_auth import EXTERNAL_AUTH_CONTROLLER
from vmcp_operator.plan.config_kinds.oidc import OIDC_CONTROLLER
from vmcp_operator.plan.config_kinds.telemetry import TELEMETRY_CONTROLLER
from vmcp_operator.plan.config_kinds.tool_config import TOOL_CONFIG_CONTROLLER
from vmcp_operator.plan.controller import Controller
from vmcp_operator.plan.entry import ENTRY_CONTROLLER
from vmcp_operator.plan.groups.binding import BINDING_CONTROLLER
from vmcp_operator.plan.groups.group import GROUP_CONTROLLER
from vmcp_operator.plan.kinds import Kind
from vmcp_operator.plan.server.controller import SERVER_CONTROLLER
from vmcp_operator.plan.vmcp.controller import VMCP_CONTROLLER

CONTROLLERS: Final[tuple[Controller[Any], ...]] = (
    VMCP_CONTROLLER,
    GROUP_CONTROLLER,
    SERVER_CONTROLLER,
    ENTRY_CONTROLLER,
    OIDC_CONTROLLER,
    EXTERNAL_AUTH_CONTROLLER,
    AUTHZ_CONTROLLER,
    TELEMETRY_CONTROLLER,
    TOOL_CONFIG_CONTROLLER,
    COMPOSITE_TOOL_CONTROLLER,
    BINDING_CONTROLLER,
)


def controller_of(kind: Kind) -> Controller[Any]:
    """The record of a kind of ours.

    Raises:
        ValueError: it is none that is reconciled.
    """
    try:
        return _BY_KIND[kind]
    except KeyError:
        raise ValueError(f"{kind} has no controller") from None


_BY_KIND: Final = {controller.kind: controller for controller in CONTROLLERS}
