"""MCPOIDCConfig: an OpenID provider that endpoints share."""

from typing import Annotated, Literal

from pydantic import Field

from vmcp_api.base import Model
from vmcp_api.kinds.metadata import ObjectMeta
from vmcp_api.kinds.status import ConfigStatus
from vmcp_api.spec.incoming import OidcProvider
from vmcp_api.spec.references import CaBundleRef


class InlineOidc(OidcProvider):
    """A provider by its issuer."""

    ca_bundle_ref: Annotated[CaBundleRef | None, Field(description="CA certificates beyond the system's.")] = None
    jwks_allow_private_ip: Annotated[
        bool,
        Field(
            alias="jwksAllowPrivateIP",
            description="Whether its URLs may lead to private addresses and Services of the cluster.",
        ),
    ] = False
    protected_resource_allow_private_ip: Annotated[
        bool, Field(alias="protectedResourceAllowPrivateIP", description="The same as `jwksAllowPrivateIP`.")
    ] = False
    insecure_allow_http: Annotated[
        bool, Field(alias="insecureAllowHTTP", description="Whether its URLs may do without TLS; for trials only.")
    ] = False


class MCPOIDCConfigSpec(Model):
    """Where the provider is and how it is reached."""

    type: Annotated[Literal["inline"], Field(description="`inline`: the provider is described here.")]
    inline: Annotated[InlineOidc, Field(description="The provider.")]


class MCPOIDCConfigStatus(ConfigStatus):
    """What the operator observes of a provider."""


class MCPOIDCConfig(Model):
    """An OpenID provider; VirtualMCPServers identify their callers by it with `incomingAuth.oidcConfigRef`."""

    api_version: Literal["vmcp.dev/v1beta1"]
    kind: Literal["MCPOIDCConfig"]
    metadata: ObjectMeta
    spec: Annotated[MCPOIDCConfigSpec, Field(description="What is wanted.")]
    status: Annotated[MCPOIDCConfigStatus | None, Field(description="What is observed.")] = None
