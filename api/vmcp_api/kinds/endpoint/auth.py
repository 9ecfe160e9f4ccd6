"""Who may come in at a VirtualMCPServer, what they may do, and what its backends are shown."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from vmcp_api.base import LIST_SET, BackendName, Model, Name, Url
from vmcp_api.kinds.strategies import StrategySpec
from vmcp_api.spec.authorization import DEFAULT_GROUP_CLAIMS, EntitiesJson, GroupClaims, Mode, Policies, PolicyMode
from vmcp_api.spec.incoming import IncomingAuthType
from vmcp_api.spec.oauth import Audience, Scopes
from vmcp_api.spec.outgoing import OutgoingAuthType
from vmcp_api.spec.references import KeyRef, NameRef


class OidcConfigRef(NameRef):
    """A provider, and what its tokens have to say for this endpoint."""

    audience: Annotated[
        Audience, Field(description="What `aud` of a token has to hold; one of its own for each endpoint.")
    ]
    scopes: Annotated[
        Scopes, Field(description="Scopes that a token has to have; clients are told to ask for them.")
    ] = ()
    scopes_supported: Annotated[
        Scopes, Field(description="Further scopes that clients are told to ask for; no token has to have them.")
    ] = ()
    resource_url: Annotated[
        Url | None,
        Field(description="URL of the endpoint as clients know it (RFC 9728); absent takes that of the request."),
    ] = None


class InlinePolicies(Model):
    """Policies in the resource itself."""

    policies: Policies
    entities_json: EntitiesJson = "[]"


class PoliciesKeyRef(Model):
    """One key of a ConfigMap of the same namespace."""

    name: Annotated[Name, Field(description="Name of the ConfigMap.")]
    key: Annotated[
        str,
        Field(
            min_length=1,
            max_length=253,
            pattern=r"^[-._a-zA-Z0-9]+$",
            description='Key within it, with Cedar policies, or JSON of the form `{"cedar": {"policies": […]}}`.',
        ),
    ] = "authz.json"

    @property
    def key_ref(self) -> KeyRef:
        """The same as a reference to any key."""
        return KeyRef(name=self.name, key=self.key)


class AuthzConfig(Model):
    """Policies of one endpoint."""

    type: Annotated[
        Literal["inline", "configMap"] | None, Field(description="Where they are; needless, the member says it.")
    ] = None
    inline: Annotated[InlinePolicies | None, Field(description="Policies in the resource itself.")] = None
    config_map: Annotated[PoliciesKeyRef | None, Field(description="Policies in a ConfigMap.")] = None
    mode: Mode = PolicyMode.ENFORCE
    group_claims: GroupClaims = DEFAULT_GROUP_CLAIMS


class VirtualMCPServerIncomingAuth(Model):
    """How callers are identified, and what they may do."""

    type: Annotated[
        Literal[IncomingAuthType.ANONYMOUS, IncomingAuthType.OIDC],
        Field(description="`anonymous`: nobody is asked who they are; `oidc`: by the token that a request carries."),
    ]
    oidc_config_ref: Annotated[
        OidcConfigRef | None, Field(description="MCPOIDCConfig by which tokens are verified; required for `oidc`.")
    ] = None
    authz_config: Annotated[
        AuthzConfig | None, Field(description="What callers may do; absent lets them do everything.")
    ] = None
    authz_config_ref: Annotated[
        NameRef | None, Field(description="MCPAuthzConfig that says what callers may do, instead of `authzConfig`.")
    ] = None


class OutgoingAuthSource(StrEnum):
    """Who says what backends are shown."""

    DISCOVERED = "discovered"
    INLINE = "inline"


class BackendAuthType(StrEnum):
    """A strategy, or where it is written."""

    DISCOVERED = "discovered"
    EXTERNAL_AUTH_CONFIG_REF = "externalAuthConfigRef"
    UNAUTHENTICATED = OutgoingAuthType.UNAUTHENTICATED
    HEADER_INJECTION = OutgoingAuthType.HEADER_INJECTION
    BEARER_TOKEN = OutgoingAuthType.BEARER_TOKEN
    CLIENT_CREDENTIALS = OutgoingAuthType.CLIENT_CREDENTIALS
    TOKEN_EXCHANGE = OutgoingAuthType.TOKEN_EXCHANGE
    IDENTITY_ASSERTION = OutgoingAuthType.IDENTITY_ASSERTION
    RELAY = OutgoingAuthType.RELAY


class BackendAuthChoice(Model):
    """Which strategy it is, or where it is written."""

    type: Annotated[
        BackendAuthType,
        Field(
            description=(
                "A strategy, with its settings in the member of the same name; `externalAuthConfigRef`: that of an"
                " MCPExternalAuthConfig; `discovered`: that which the backend itself names."
            )
        ),
    ]
    external_auth_config_ref: Annotated[
        NameRef | None, Field(description="MCPExternalAuthConfig with the strategy.")
    ] = None


class BackendAuth(StrategySpec, BackendAuthChoice):
    """What one backend is shown."""


class VirtualMCPServerOutgoingAuth(Model):
    """What backends are shown."""

    source: Annotated[
        OutgoingAuthSource,
        Field(
            description=(
                "`discovered`: what a backend itself names in `externalAuthConfigRef` comes first; `inline`: only what"
                " stands here counts."
            )
        ),
    ] = OutgoingAuthSource.DISCOVERED
    allowed_token_hosts: Annotated[
        tuple[Annotated[str, Field(min_length=1, max_length=262)], ...],
        Field(
            max_length=64,
            description=(
                "Hosts that an MCPExternalAuthConfig may send what callers came with to: token endpoints of"
                " `tokenExchange` and `identityAssertion`, and backends with `relay`. Each as `idp.example.com` or"
                " `idp.example.com:8443`, with `http://` before it where it has no TLS. The callers' own provider needs"
                " no entry, nor does what is written here."
            ),
            json_schema_extra=LIST_SET,
        ),
    ] = ()
    default: Annotated[BackendAuth | None, Field(description="For backends of which nothing else is said.")] = None
    backends: Annotated[
        dict[BackendName, BackendAuth], Field(max_length=256, description="By the name of the backend.")
    ] = Field(default_factory=dict)
