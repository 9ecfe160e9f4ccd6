"""MCPAuthzConfig: policies that endpoints share."""

from typing import Annotated, Literal

from pydantic import Field

from vmcp_api.base import Model
from vmcp_api.kinds.metadata import ObjectMeta
from vmcp_api.kinds.status import ConfigStatus
from vmcp_api.spec.authorization import DEFAULT_GROUP_CLAIMS, EntitiesJson, GroupClaims, Mode, Policies, PolicyMode


class CedarConfig(Model):
    """Cedar policies with the entities that they speak of."""

    policies: Policies
    entities_json: Annotated[EntitiesJson, Field(alias="entities_json")] = "[]"


class MCPAuthzConfigSpec(Model):
    """The policies, and whether they bite."""

    type: Annotated[Literal["cedarv1"], Field(description="`cedarv1`: Cedar.")] = "cedarv1"
    config: Annotated[CedarConfig, Field(description="The policies.")]
    mode: Mode = PolicyMode.ENFORCE
    group_claims: GroupClaims = DEFAULT_GROUP_CLAIMS


class MCPAuthzConfigStatus(ConfigStatus):
    """What the operator observes of policies."""


class MCPAuthzConfig(Model):
    """Cedar policies; VirtualMCPServers take them over with `incomingAuth.authzConfigRef`."""

    api_version: Literal["vmcp.dev/v1beta1"]
    kind: Literal["MCPAuthzConfig"]
    metadata: ObjectMeta
    spec: Annotated[MCPAuthzConfigSpec, Field(description="What is wanted.")]
    status: Annotated[MCPAuthzConfigStatus | None, Field(description="What is observed.")] = None
