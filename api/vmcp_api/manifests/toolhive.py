"""What manifests for ToolHive say that is unknown here, and what to do instead: the nearest name would mislead."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final

from vmcp_api.base import Json
from vmcp_api.manifests.problems import Loc, Problem, Severity

_VMCP: Final = "of the VirtualMCPServer"
_PROVIDER: Final = "remove it: there is no authorization server in here; describe yours in an MCPOIDCConfig"
_AT_THE_ENDPOINT: Final = f"move it to spec.incomingAuth {_VMCP}, where callers come in"
_NO_PROXY: Final = (
    "remove it: clients connect to the VirtualMCPServer, and no proxy stands before each server; the port of the"
    " server itself is mcpPort"
)
_TOOLS: Final = "write an MCPToolConfig, and its name in toolConfigRef"
_BESIDE: Final = "write it in spec, beside config"
_NO_EMBEDDING_SERVER: Final = (
    "remove it: tools are ranked in the process; to have it asked as well, keep it running, and write the URL of its"
    f" Service with /v1 into spec.config.optimizer.embeddings.url {_VMCP}"
)
_FURTHER_GROUPS: Final = "add the claim to groupClaims: roles are groups here"
_ENTITY_TYPE: Final = "remove it: policies may write Group and THVGroup for the same"
_ONE_CALLER: Final = "remove it: each caller comes with one token, whose claims count"
_NO_STRATEGY: Final = "choose another type: there is no such strategy here (docs/how-to/outgoing-auth.md has them)"
_ASSERTION: Final = "write identityAssertion: idp has tokenUrl and client of the IdP, the rest is the target's"
_EXCHANGE: Final = "write tokenExchange, where the provider knows RFC 8693"
_OWN_PROVIDER: Final = f"describe your provider in an MCPOIDCConfig, and {_EXCHANGE}"
_TELEMETRY: Final = f"write an MCPTelemetryConfig, and its name in spec.telemetryConfigRef {_VMCP}"
_CLUSTER: Final = (
    "write inline with the cluster's issuer, jwksAllowPrivateIP: true, and the cluster's CA by caBundleRef; its keys"
    " have to be readable without a token"
)
_OF_ENDPOINT: Final = f"write it in incomingAuth.oidcConfigRef {_VMCP}"

_STRATEGIES: Final = MappingProxyType(
    {
        "xaa": _ASSERTION,
        "obo": _EXCHANGE,
        "awsSts": _NO_STRATEGY,
        "upstreamInject": _OWN_PROVIDER,
        "embeddedAuthServer": _PROVIDER,
    }
)

_PROXIES: Final = MappingProxyType(
    {
        "trustProxyHeaders": f"remove it; spec.config.operational.trustedProxies {_VMCP} names proxies",
        "endpointPrefix": f"remove it; incomingAuth.oidcConfigRef.resourceUrl {_VMCP} says what clients call it",
    }
)

_CLAIMS: Final = MappingProxyType(
    {
        "groupClaimName": "write groupClaims: [NAME]",
        "roleClaimName": _FURTHER_GROUPS,
        "groupEntityType": _ENTITY_TYPE,
        "primaryUpstreamProvider": _ONE_CALLER,
    }
)

KEYS: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType(
    {
        "MCPServerSpec": {
            **dict.fromkeys(("proxyMode", "proxyPort", "port"), _NO_PROXY),
            "targetPort": "write mcpPort",
            "volumes": "write them in podTemplateSpec: spec.volumes, and volumeMounts of the container mcp",
            "serviceAccount": "write podTemplateSpec.spec.serviceAccountName",
            "permissionProfile": "remove it; networkPolicy and podTemplateSpec say what the pods may do",
            "resourceOverrides": "write podTemplateSpec: its metadata and its spec are merged into the pods'",
            **dict.fromkeys(("oidcConfigRef", "oidcConfig", "authzConfig", "authzConfigRef"), _AT_THE_ENDPOINT),
            "audit": f"move it to spec.config.audit {_VMCP}",
            "rateLimiting": f"move it to spec.config.rateLimiting {_VMCP}",
            **dict.fromkeys(("sessionStorage", "sessionAffinity"), f"move it to spec {_VMCP}"),
            "telemetryConfigRef": f"move it to spec {_VMCP}",
            "telemetry": _TELEMETRY,
            "toolsFilter": _TOOLS,
            "webhookConfigRef": "remove it: there are no webhooks here; policies decide on calls",
            "authServerRef": _PROVIDER,
            **_PROXIES,
            "backendReplicas": "write replicas",
        },
        "MCPServerEntrySpec": {
            **dict.fromkeys(("oidcConfigRef", "oidcConfig", "authzConfig", "authzConfigRef"), _AT_THE_ENDPOINT),
            "audit": f"move it to spec.config.audit {_VMCP}",
            "telemetryConfigRef": f"move it to spec {_VMCP}",
            "telemetry": _TELEMETRY,
            "authServerRef": _PROVIDER,
            **_PROXIES,
        },
        "VirtualMCPServerSpec": {
            "authServerConfig": _PROVIDER,
            "compositeToolRefs": "write it in spec.config",
            "telemetry": "write an MCPTelemetryConfig, and its name in telemetryConfigRef",
            "tokenCache": "remove it: tokens that were exchanged are cached without being told to",
        },
        "VirtualMCPServerConfig": {
            "name": "remove it: metadata.name is the name",
            "groupRef": "write spec.groupRef: {name: …}, beside config",
            "backends": "write an MCPServerEntry for each: all members of the group are served",
            **dict.fromkeys(("incomingAuth", "outgoingAuth", "passthroughHeaders", "sessionStorage"), _BESIDE),
            "metadata": "remove it; use labels and annotations of the resource",
            "codeMode": "remove it: there is no code mode here",
            "telemetry": "write an MCPTelemetryConfig, and its name in spec.telemetryConfigRef",
        },
        "Step": {
            "defaultResponse": "write defaultResults, an object of what templates read where nobody answers",
        },
        "FailureHandling": {
            "statusReportingInterval": "remove it: the operator asks the pods by itself",
        },
        "Audit": {
            "component": "remove it: lines name the VirtualMCPServer",
            "logFile": "write sink: file, and the file's path",
            "detectApplicationErrors": "remove it: they are told apart always",
            "maxDelegationDepth": "remove it: lines have issuer and subject",
        },
        "InlineOidc": {
            "jwksAuthTokenPath": "remove it: keys are asked for without a token",
            "clientSecretEnv": "write clientSecretRef",
            "caBundlePath": "write caBundleRef",
            **dict.fromkeys(("audience", "scopes", "resourceUrl", "resource"), _OF_ENDPOINT),
        },
        "MCPOIDCConfigSpec": {
            "kubernetesServiceAccount": _CLUSTER,
        },
        "VirtualMCPServerIncomingAuth": {
            **dict.fromkeys(("oidc", "oidcConfig"), "write an MCPOIDCConfig, and its name in oidcConfigRef"),
            "authz": "write authzConfig",
        },
        "AuthzConfig": _CLAIMS,
        "InlinePolicies": {
            **_CLAIMS,
            "groupClaimName": "write groupClaims: [NAME] beside inline",
        },
        "CedarConfig": {
            "group_claim_name": "write groupClaims: [NAME] in spec of the MCPAuthzConfig, or in authzConfig",
            "role_claim_name": _FURTHER_GROUPS,
            "group_entity_type": _ENTITY_TYPE,
            "primary_upstream_provider": _ONE_CALLER,
            "multi_valued_claims": "remove it: claimset_NAME is every claim as a set",
        },
        "MCPExternalAuthConfigSpec": _STRATEGIES,
        "BackendAuth": _STRATEGIES,
        "OpenTelemetry": {
            "serviceName": f"write it in telemetryConfigRef {_VMCP}",
        },
        "TokenExchangeSpec": {"subjectProviderName": _ONE_CALLER},
    }
)
"""The remedy by model and key."""

VALUES: Final[Mapping[str, str]] = MappingProxyType(
    {**_STRATEGIES, "kubernetesServiceAccount": _CLUSTER, "httpv1": "write cedarv1: policies are Cedar here"}
)
"""The remedy by what stands where one of some values should."""

KINDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "MCPRemoteProxy": (
            "write an MCPServerEntry, as `vmcp convert` does; what it says of callers is said in spec.incomingAuth"
            f" {_VMCP}"
        ),
        "EmbeddingServer": _NO_EMBEDDING_SERVER,
        "MCPRegistry": "remove it: there is no registry of servers here",
        "MCPWebhookConfig": "remove it: there are no webhooks here; policies decide on calls",
    }
)
"""The remedy by kind."""

_SCOPES: Final[Loc] = ("spec", "incomingAuth", "oidcConfigRef", "scopes")
_TYPE: Final[Loc] = ("spec", "incomingAuth", "type")
_INLINE: Final[Loc] = ("spec", "incomingAuth", "authzConfig")
_LEGACY: Final[Loc] = ("spec", "openTelemetry", "useLegacyAttributes")
_CONVENTIONS: Final = (
    "has no effect: attributes are named by the conventions for MCP alone",
    "remove it, and look for their names in dashboards",
)
_REQUIRED: Final = (
    "are required of every token here, and there only told to clients",
    "write those that a token need not have as scopesSupported",
)
_ONE_CLAIM: Final = (
    "takes groups from the claim `groups` alone where groupClaims names no other (ToolHive takes `roles` and more)",
    "write groupClaims, or a forbid on a group may meet nobody",
)


def find_differences(kind: str, data: Mapping[str, Json]) -> Iterator[Problem]:
    """Warnings of what stays valid in a manifest for ToolHive and comes to mean something else."""
    if kind == "VirtualMCPServer" and _at(data, _SCOPES):
        yield _differs(_REQUIRED, _SCOPES)
    if kind == "MCPTelemetryConfig" and _at(data, _LEGACY) is True:
        yield _differs(_CONVENTIONS, _LEGACY)
    if kind == "MCPAuthzConfig" or _at(data, _TYPE) == "oidc":
        loc: Loc = ("spec",) if kind == "MCPAuthzConfig" else _INLINE
        policies = _at(data, loc)
        if isinstance(policies, Mapping) and "groupClaims" not in policies and may_name_groups(policies):
            yield _differs(_ONE_CLAIM, loc)


def may_name_groups(policies: Mapping[str, object]) -> bool:
    """Whether policies do, or stand elsewhere; names of ToolHive's end in Group too."""
    return "configMap" in policies or "Group" in str(policies)


def _differs(said: tuple[str, str], loc: Loc) -> Problem:
    return Problem(*said, loc, severity=Severity.WARNING)


def _at(data: object, loc: Loc) -> object:
    for step in loc:
        data = data.get(step) if isinstance(data, Mapping) else None
    return data
