"""What the conditions and reasons of statuses mean, and what to do: the page that is generated from it."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from vmcp_api.render.reasons import Reason


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a reason says; `remedy` is empty where nothing has to be done."""

    text: str
    remedy: str = ""


CONDITIONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "Valid": "The resource itself is sound; its message may warn.",
        "Ready": "The present generation serves.",
        "Reconciling": "It is on its way; there only while it is.",
        "Stalled": "Time alone will not help; there only while that is so.",
        "GroupRefValidated": "The group exists and is valid.",
        "AuthConfigured": "Callers are identified, and backends are shown, what the resources say.",
        "AuthzConfigured": "What callers may do is what the resources say.",
        "TelemetryConfigured": "Traces and metrics go where the resources say.",
        "AuditConfigured": "The audit is written where the resource says.",
        "RateLimitsEnforced": "Callers are limited as the resource says, over all pods together.",
        "ServerRefsValidated": "The servers of other operators that a group names are in it.",
        "Registered": "A server that asked for it is served (of an `MCPGatewayBinding`).",
        "ToolConfigRefsValidated": "It can be told of every backend which of its tools are served.",
        "ToolSearchConfigured": "Tools are ranked with all that the resource names; they are found in any case.",
        "CompositeToolRefsValidated": "The composite tools that are referred to are served.",
        "PodTemplateSpecValid": "`podTemplateSpec` can be merged, and the API server takes the result.",
        "SessionStorageReady": "Sessions can be stored, and all pods share them.",
        "DeploymentAvailable": "Pods serve; the message says what those lack that do not.",
        "ConfigLoaded": "Every ready pod runs the present config.",
        "BackendsReady": "Every backend answers.",
        "ToolConflicts": "Several backends claim a name (True is the warning).",
        "SessionIdIsCredential": "Whoever has a session id acts with the headers of its client (True is the warning).",
    }
)
"""What a condition observes, by type."""

_LOOK_AT_POD: Final = "read the message; `kubectl describe pod` and `kubectl vmcp logs --previous` tell more"
_CREATE: Final = "create it, or name another; it is taken over by itself"
_CORRECT: Final = "correct the field that the message names"
_WAIT: Final = "wait; if it lasts, `kubectl vmcp doctor` says what it waits for"

REASONS: Final[Mapping[str, Meaning]] = MappingProxyType(
    {
        # ---- what a person wrote
        "Invalid": Meaning("The resource does not validate.", _CORRECT),
        "GroupNotFound": Meaning("The MCPGroup does not exist in this namespace.", _CREATE),
        "GroupInvalid": Meaning("The MCPGroup does not validate.", "correct the group"),
        "ServerNotFound": Meaning("The server of another operator does not exist in this namespace.", _CREATE),
        "LifecycleDisabled": Meaning(
            "The operator does not look at servers of `mcp.x-k8s.io`.", "set `mcpLifecycle.enabled` of its chart"
        ),
        "ConfigMissing": Meaning("The ConfigMap of a binding does not exist, or none is named.", _CREATE),
        "ConfigInvalid": Meaning(
            "The ConfigMap of a binding cannot be used.", "correct the key that the message names"
        ),
        "BindingNotAllowed": Meaning(
            "The group takes no servers that join by themselves.", "set its `allowGatewayBindings`, or use `serverRefs`"
        ),
        "NamedCredentials": Meaning(
            "The endpoint names credentials for a server that joined by itself; it is withheld.",
            "name the server in the group's `serverRefs`, or take the credentials out of `outgoingAuth.backends`",
        ),
        "GroupFull": Meaning(
            "The group has as many members as an endpoint serves, and takes no more by binding.", "split the group"
        ),
        "EndpointNotFound": Meaning("No VirtualMCPServer serves the group.", _CREATE),
        "TooManyMembers": Meaning("The group has more members than one endpoint serves.", "split the group"),
        "PodTemplateInvalid": Meaning("`podTemplateSpec` cannot be merged over the pod's template.", _CORRECT),
        "Rejected": Meaning("The API server does not take the Deployment that results.", _CORRECT),
        "Refused": Meaning(
            "The API server refuses one of its objects.", "mend what its words name: a quota, a policy, a right"
        ),
        "ReferenceNotFound": Meaning("Something that an entry refers to is not there yet.", _CREATE),
        "NameClash": Meaning(
            "Two resources or tools of one name; neither is served, or only the one that is ours.",
            "rename one of the two",
        ),
        "HeaderCollision": Meaning("A header is set twice for one backend.", "leave it in one of the two places"),
        "UnsupportedTransport": Meaning(
            "The server speaks stdio, and the operator may run no such servers.",
            "Set `stdio.enabled=true` in the values of the operator's chart, or use another transport.",
        ),
        "PolicyInvalid": Meaning("A Cedar policy does not parse.", "correct it; `vmcp validate` shows where"),
        "EntitiesInvalid": Meaning("`entitiesJson` cannot be read.", "correct it; `vmcp validate` shows where"),
        "PoliciesRefused": Meaning(
            "Pods refuse the policies and judge by the last good ones.", "correct the policy that the message names"
        ),
        "ConfigRefused": Meaning(
            "Pods refuse the config and serve by the last good one.", "correct what the message names"
        ),
        "OIDCConfigNotFound": Meaning("The MCPOIDCConfig does not exist; who may come in stays as it was.", _CREATE),
        "OIDCConfigInvalid": Meaning(
            "The MCPOIDCConfig does not validate; who may come in stays as it was.", "correct it"
        ),
        "AuthzConfigNotFound": Meaning(
            "The MCPAuthzConfig does not exist; what callers may do stays as it was.", _CREATE
        ),
        "AuthzConfigInvalid": Meaning(
            "The MCPAuthzConfig does not validate; what callers may do stays as it was.", "correct it"
        ),
        Reason.AUTH_CONFIG_NOT_FOUND: Meaning(
            "The MCPExternalAuthConfig does not exist; the backend is withheld.", _CREATE
        ),
        Reason.AUTH_CONFIG_INVALID: Meaning(
            "The MCPExternalAuthConfig does not validate; the backend is withheld.", "correct it"
        ),
        "TelemetryConfigNotFound": Meaning("The MCPTelemetryConfig does not exist.", _CREATE),
        "TelemetryConfigInvalid": Meaning("The MCPTelemetryConfig does not validate.", "correct it"),
        "ToolConfigNotFound": Meaning("The MCPToolConfig does not exist; the backend is withheld.", _CREATE),
        "ToolConfigInvalid": Meaning("The MCPToolConfig does not validate; the backend is withheld.", "correct it"),
        "CompositeToolRefNotFound": Meaning(
            "The composite tool definition does not exist; the tool is not served.", _CREATE
        ),
        "CompositeToolRefInvalid": Meaning(
            "The composite tool definition does not validate; the tool is not served.", "correct it"
        ),
        "CallerTokenNeeded": Meaning(
            "The backend needs a token of the caller, and callers show none.", "set `incomingAuth.type: oidc`"
        ),
        "RelayNotAllowed": Meaning(
            "A caller's header may not go to this backend.", "read the message; [why](../how-to/outgoing-auth.md)"
        ),
        "TokenHostNotAllowed": Meaning("A token endpoint lies where no token may be fetched.", "read the message"),
        "CaBundleNotFound": Meaning("The ConfigMap of a CA bundle, or its key, is not there.", _CREATE),
        "CaBundleInvalid": Meaning("The CA bundle holds no certificates.", "put PEM certificates into it"),
        "SecretNotFound": Meaning(
            "Keys of Secrets are not there; what needs them is withheld.",
            "create them; pods take them over by themselves",
        ),
        "SecretInvalid": Meaning(
            "A key of a Secret cannot be used as it is.", "correct its value; pods take it over by themselves"
        ),
        "NoLocalCommand": Meaning(
            "Local mode has no program for an MCPServer.", "set the annotation `vmcp.dev/local-command`"
        ),
        "InvalidLocalCommand": Meaning("The annotation `vmcp.dev/local-command` is no command.", "correct it"),
        # ---- pods
        "NoDeployment": Meaning("There is no Deployment yet; the other conditions say why.", _WAIT),
        "PodsStarting": Meaning("Pods start.", _WAIT),
        "RollingOut": Meaning(
            "Pods of the present generation start, or the config is taken over; the former pods serve.", _WAIT
        ),
        "Unschedulable": Meaning("No node takes a pod.", "read the scheduler's words: resources, selectors, taints"),
        "PodInitializing": Meaning("An init container has not ended.", "read its log"),
        "ContainersNotReady": Meaning("A container runs, and its probe has not succeeded.", _LOOK_AT_POD),
        "BridgeNotReady": Meaning(
            "The bridge of a stdio server runs, and cannot call the server's process.",
            "read the message; `kubectl vmcp logs --server NAME` tells more"
            " ([stdio servers](../how-to/stdio-servers.md))",
        ),
        "PodNotReady": Meaning("A pod is not ready for another reason, such as a readiness gate.", _LOOK_AT_POD),
        "PodFailed": Meaning("A pod ended.", _LOOK_AT_POD),
        "PodsRefused": Meaning("Pods cannot be created.", "raise the quota, or correct the pod template"),
        "ImagePullFailed": Meaning("An image cannot be pulled.", "correct the image or the pull secret"),
        "ContainerConfigInvalid": Meaning("A container cannot be made.", "correct what the kubelet names"),
        "CrashLoop": Meaning(
            "A container ends again and again.", "read its last words, and `kubectl vmcp logs --previous`"
        ),
        "ProgressDeadlineExceeded": Meaning(
            "Pods of the present generation did not get ready in time.", "mend what the message names"
        ),
        "ScaledToZero": Meaning("No pods are wanted.", "set `replicas`"),
        "PodsSilent": Meaning("Pods are ready and do not answer the operator.", "let its namespace reach port 9090"),
        "NoReadyPods": Meaning("No pod is ready that could run the config.", _WAIT),
        "ConfigLoading": Meaning(
            "Ready pods have yet to take the present config over; they serve by the former.", _WAIT
        ),
        "Loading": Meaning("Not all ready pods run the present config yet.", _WAIT),
        "NoConfig": Meaning("There is no config yet.", "`Ready` says what keeps it from being rendered"),
        # ---- what pods need, and backends
        "StoreUnavailable": Meaning(
            "Pods do not reach Redis: no client can begin a session, or limits cannot be counted.",
            "mend Redis or `sessionStorage`",
        ),
        "StorePartlyUnavailable": Meaning("Some pods do not reach Redis.", "mend the network between them"),
        "StoreNotAsked": Meaning("No pod has asked Redis yet.", _WAIT),
        "MemoryNotShared": Meaning(
            "Several pods keep sessions in their own memory.", "set `sessionStorage.provider: redis`, or scale to one"
        ),
        "SessionsNotShared": Meaning(
            "The same, as the endpoint's reason.", "set `sessionStorage.provider: redis`, or scale to one"
        ),
        "CountedByPod": Meaning("Each pod counts rate limits for itself.", "set `sessionStorage.provider: redis`"),
        "IssuerUnavailable": Meaning(
            "Pods do not reach the issuer of tokens; known keys go on.", "mend the issuer or the way to it"
        ),
        "AuditPathNotWritable": Meaning(
            "The audit file cannot be written; the endpoint serves without it.", "mount a writable volume there"
        ),
        "AuditSinkUnavailable": Meaning("The audit's sink is away; lines wait.", "mend the sink"),
        "EmbeddingsUnavailable": Meaning(
            "Pods do not reach the server of embeddings; tools are ranked without it.",
            "mend the server, or the way to it",
        ),
        "CheckingBackends": Meaning("Backends are asked for the first time.", _WAIT),
        "BackendsUnavailable": Meaning(
            "Some backends do not answer; the others are served.", "`status.backends` says why"
        ),
        "ServerNotReachable": Meaning("The server's own operator has made no Service for it yet.", _WAIT),
        "NotServedYet": Meaning(
            "The endpoint does not serve the server yet.", "read the message; it may only take time"
        ),
        "NoBackendAvailable": Meaning("No backend answers.", "`status.backends` says why"),
        "NoMemberReady": Meaning("No member of the group can be served.", "mend the members that the message names"),
        "SomeMembersFailed": Meaning(
            "Some members of the group cannot be served.", "mend the members that the message names"
        ),
        "ReconcileFailed": Meaning(
            "The operator could not look after the resource; what was served is served on.",
            "read the API server's words: often a right that it lacks",
        ),
        # ---- all is well, or as it was asked for
        "Serving": Meaning("It serves."),
        "Running": Meaning("The server's pods run."),
        "Valid": Meaning("It is sound."),
        "Available": Meaning("Pods serve."),
        "Loaded": Meaning("Every ready pod runs the present config."),
        "Frozen": Meaning("Pods run the last good config.", "mend what `Valid` names"),
        "AllReady": Meaning("Every backend answers."),
        "NoBackends": Meaning("The group has no members.", "set `groupRef` of an MCPServer or MCPServerEntry"),
        "HasMembers": Meaning("The group has members."),
        "Empty": Meaning("The group has no members.", "set `groupRef` of an MCPServer or MCPServerEntry"),
        "ServersFound": Meaning("The servers that the group names are in it."),
        "Registered": Meaning("The server is served."),
        "GroupFound": Meaning("The group exists."),
        "Configured": Meaning("It is set up."),
        "Off": Meaning("It is not asked for."),
        "Enforced": Meaning("It is in force."),
        "Shadow": Meaning(
            "Policies decide and are written down, and deny nothing.", "set `mode: Enforce` when they are right"
        ),
        "NoPolicies": Meaning("Callers may do all that is served."),
        "NoLimits": Meaning("Callers may ask as much as they like."),
        "NoToolConfigs": Meaning("Filters and overrides stand in the endpoint alone."),
        "ToolConfigRefsValid": Meaning("Every MCPToolConfig is there."),
        "NoCompositeTools": Meaning("There are no composite tools."),
        "CompositeToolRefsValid": Meaning("Every composite tool is served."),
        "Memory": Meaning("Sessions live in the memory of their pod."),
        "StoreAvailable": Meaning("Redis answers."),
        "NoConflicts": Meaning("No name is claimed twice."),
        "Conflicts": Meaning("Several backends claim a name.", "`status.conflicts` says which; override or filter it"),
        "NotExposed": Meaning("A session id alone is of no use to anybody."),
        "AnonymousPassthrough": Meaning(
            "Anonymous callers pass headers on, so that a session id stands for them.",
            "[keep it secret, or identify callers](../how-to/header-passthrough.md)",
        ),
    }
)
"""Every reason of a condition, a phase or a backend."""

_HEAD: Final = """<!-- Generated from the code by `python -m vmcp_api reference`; do not edit. -->
# Conditions and reasons

What statuses, Events and `kubectl vmcp doctor` say. Reasons are stable words; messages name the field, the object or
the container, and what to do. How to find what to mend first:
[Find out why an endpoint is not Ready](../how-to/why-not-ready.md).

## Conditions

| Type | What is so where it is True |
| --- | --- |
"""
_REASONS: Final = """
## Reasons

| Reason | Means | What to do |
| --- | --- | --- |
"""


def build_page() -> str:
    """The page as Markdown."""
    conditions = "".join(f"| `{name}` | {text} |\n" for name, text in CONDITIONS.items())
    rows = sorted((str(name), each) for name, each in REASONS.items())
    reasons = "".join(f"| `{name}` | {each.text} | {_sentence(each.remedy)} |\n" for name, each in rows)
    return f"{_HEAD}{conditions}{_REASONS}{reasons}"


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}." if text else ""
