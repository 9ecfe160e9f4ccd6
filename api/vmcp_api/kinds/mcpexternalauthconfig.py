"""MCPExternalAuthConfig: what is shown to backends, where they ask who is there."""

from typing import Annotated, Literal

from pydantic import Field

from vmcp_api.base import Model
from vmcp_api.kinds.metadata import ObjectMeta
from vmcp_api.kinds.status import ConfigStatus
from vmcp_api.kinds.strategies import StrategySpec
from vmcp_api.spec.outgoing import OutgoingAuthType


class StrategyChoice(Model):
    """Which strategy it is."""

    type: Annotated[
        OutgoingAuthType, Field(description="Strategy; all but `unauthenticated` need the member of the same name.")
    ]


class MCPExternalAuthConfigSpec(StrategySpec, StrategyChoice):
    """One strategy with its settings."""


class MCPExternalAuthConfigStatus(ConfigStatus):
    """What the operator observes of a strategy."""


class MCPExternalAuthConfig(Model):
    """What is shown to backends; they name it in `externalAuthConfigRef`, or a VirtualMCPServer names it for them."""

    api_version: Literal["vmcp.dev/v1beta1"]
    kind: Literal["MCPExternalAuthConfig"]
    metadata: ObjectMeta
    spec: Annotated[MCPExternalAuthConfigSpec, Field(description="What is wanted.")]
    status: Annotated[MCPExternalAuthConfigStatus | None, Field(description="What is observed.")] = None
