"""How the callers of an endpoint are identified, with the references followed."""

from vmcp_api.kinds import MCPOIDCConfig, VirtualMCPServer
from vmcp_api.kinds.endpoint.auth import OidcConfigRef
from vmcp_api.manifests.problems import Problem, Problems
from vmcp_api.manifests.resolve import check_credential, follow
from vmcp_api.manifests.resources import Resources
from vmcp_api.render.member import refuse_bundle
from vmcp_api.render.reach import provider_reach
from vmcp_api.render.rendered import Mode
from vmcp_api.spec.incoming import IncomingAuth, IncomingAuthType, OidcProvider, OidcSettings


def build_incoming(vmcp: VirtualMCPServer, resources: Resources, mode: Mode) -> IncomingAuth | Problems:
    """How callers are identified; problems where the provider is not there or of no use."""
    auth = vmcp.spec.incoming_auth
    if auth.oidc_config_ref is None:
        return IncomingAuth(type=auth.type)
    loc = ("spec", "incomingAuth", "oidcConfigRef", "name")
    found = follow(resources, MCPOIDCConfig, auth.oidc_config_ref.name, loc)
    if isinstance(found, Problem):
        return Problems.of(found).about(f"VirtualMCPServer/{vmcp.metadata.name}")
    if problem := _find_missing(found, resources):
        return Problems.of(problem).about(f"{found.kind}/{found.metadata.name}")
    return IncomingAuth(type=IncomingAuthType.OIDC, oidc=_settings(found, auth.oidc_config_ref, resources, mode))


def _find_missing(config: MCPOIDCConfig, resources: Resources) -> Problem | None:
    """A CA bundle or Secret that is known to be missing, or to be of no use."""
    provider, loc = config.spec.inline, ("spec", "inline")
    if provider.ca_bundle_ref:
        refusal = refuse_bundle(provider.ca_bundle_ref.key_ref, resources, (*loc, "caBundleRef", "configMapRef"))
        if refusal:
            return refusal.problem
    if provider.client_secret_ref:
        return check_credential(resources, provider.client_secret_ref, (*loc, "clientSecretRef"))
    return None


def _settings(config: MCPOIDCConfig, ref: OidcConfigRef, resources: Resources, mode: Mode) -> OidcSettings:
    provider = config.spec.inline
    return OidcSettings(
        **{name: getattr(provider, name) for name in OidcProvider.model_fields},
        **provider_reach(provider, resources, mode),
        audience=ref.audience,
        scopes=ref.scopes,
        scopes_supported=ref.scopes_supported,
        resource_url=ref.resource_url,
    )
