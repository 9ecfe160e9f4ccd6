"""The provider that older manifests describe in the VirtualMCPServer becomes an MCPOIDCConfig."""

from typing import Final

from vmcp_api.base import Json
from vmcp_api.convert.draft import Draft
from vmcp_api.convert.kinds.oidc import OF_CLUSTER, convert_oidc_config, lose_account
from vmcp_api.kinds import MCPOIDCConfig
from vmcp_api.manifests.problems import Loc, Problems
from vmcp_api.manifests.validate import validate
from vmcp_api.naming import API_VERSION

_OWN: Final[Loc] = ("spec", "incomingAuth", "oidcConfig")
_REF: Final[Loc] = ("spec", "incomingAuth", "oidcConfigRef")
_MOVED: Final = "is said in an MCPOIDCConfig, which oidcConfigRef names"
_OF_ENDPOINT: Final = "is said beside the provider's name in oidcConfigRef"
_PROVIDER: Final = (
    "issuer",
    "jwksUrl",
    "introspectionUrl",
    "clientId",
    "clientSecretRef",
    "caBundleRef",
    "insecureAllowHTTP",
    "jwksAllowPrivateIP",
    "protectedResourceAllowPrivateIP",
)
_KINDS: Final = {"inline": "inline", "kubernetes": "kubernetesServiceAccount"}
"""What an MCPOIDCConfig calls the types that can be converted; what a ConfigMap says is not in the manifest."""

_AUDIENCE: Final = "toolhive"
_LOST: Final = (
    ("jwksAuthTokenPath", "is a file of the pods, and keys are asked for without a token", "have them readable so"),
    (
        "clientSecret",
        "is a secret, and no manifest holds one",
        "write it into a Secret, and its name in clientSecretRef",
    ),
    ("thvCABundlePath", "is a file of the pods", "write the CA into a ConfigMap, and its name in caBundleRef"),
)


def convert_own_provider(draft: Draft) -> None:
    """What a VirtualMCPServer says of its provider itself."""
    written = draft.get(*_OWN, "type")
    kind = _KINDS.get(written) if isinstance(written, str) else None
    if kind is None or draft.has(_REF):
        return
    place: Loc = (*_OWN, str(written))
    config = _config(draft, kind, place)
    found = validate(MCPOIDCConfig, config)
    if isinstance(found, Problems):
        first = next(iter(found))
        draft.refuse(f"is left out: {first.message} in spec.incomingAuth.oidcConfig ({first.path})", first.remedy)
        return
    draft.add((*_REF, "name"), _name(draft), _MOVED)
    draft.move((*place, "audience"), (*_REF, "audience"), _OF_ENDPOINT)
    draft.move((*place, "scopes"), (*_REF, "scopes"), _OF_ENDPOINT)
    draft.move((*_OWN, "resourceUrl"), (*_REF, "resourceUrl"), _OF_ENDPOINT)
    if kind != "inline":
        draft.add((*_REF, "audience"), _AUDIENCE, "is what ToolHive takes where nothing is said")
        lose_account(draft, place)
        draft.drop((*place, "useClusterAuth"), OF_CLUSTER)
    for key in _PROVIDER:
        draft.drop((*place, key), _MOVED)
    for key, why, remedy in _LOST:
        draft.lose((*place, key), why, remedy)
    draft.drop((*_OWN, "type"), _MOVED if kind == "inline" else OF_CLUSTER)
    draft.others.append(config)


def _name(draft: Draft) -> str:
    return f"{draft.get('metadata', 'name')}-oidc"


def _config(draft: Draft, kind: str, place: Loc) -> dict[str, Json]:
    told = draft.get(*place)
    said = told if isinstance(told, dict) else {}
    metadata: dict[str, Json] = {"name": _name(draft)}
    if (namespace := draft.get("metadata", "namespace")) is not None:
        metadata["namespace"] = namespace
    provider: dict[str, Json] = {key: said[key] for key in _PROVIDER if said.get(key) not in (None, "")}
    spec: dict[str, Json] = {"type": kind, kind: provider}
    config = Draft({"apiVersion": API_VERSION, "kind": "MCPOIDCConfig", "metadata": metadata, "spec": spec})
    convert_oidc_config(config)
    return config.plain()
