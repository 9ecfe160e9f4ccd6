"""MCPOIDCConfig: the cluster as a provider is described like any other."""

from typing import Final

from vmcp_api.convert.draft import Draft
from vmcp_api.manifests.problems import Loc

_CLUSTER: Final[Loc] = ("spec", "kubernetesServiceAccount")
_INLINE: Final[Loc] = ("spec", "inline")
_ISSUER: Final = "https://kubernetes.default.svc"
OF_CLUSTER: Final = (
    "is the cluster's provider, described like any other: see that the issuer is right (kubectl get --raw"
    " /.well-known/openid-configuration) and that its keys can be read without a token (ClusterRole"
    " system:service-account-issuer-discovery for system:unauthenticated)"
)
_ACCOUNT: Final = "says whose tokens are taken; here all of the provider with the audience of the endpoint are"
_BY_POLICY: Final = "write a policy on the claim sub, which is system:serviceaccount:NAMESPACE:NAME"


def convert_oidc_config(draft: Draft) -> None:
    """An MCPOIDCConfig; one of type `kubernetesServiceAccount` becomes one of type `inline`."""
    if draft.get("spec", "type") != "kubernetesServiceAccount":
        return
    draft.put(("spec", "type"), ("spec", "type"), "inline", OF_CLUSTER)
    lose_account(draft, _CLUSTER)
    for key in ("issuer", "jwksUrl", "introspectionUrl"):
        draft.move((*_CLUSTER, key), (*_INLINE, key), OF_CLUSTER)
    draft.drop(_CLUSTER, OF_CLUSTER)
    draft.add((*_INLINE, "issuer"), _ISSUER, "is what ToolHive takes where nothing is said")
    draft.add((*_INLINE, "jwksAllowPrivateIP"), True, "the API server has an address of the cluster")  # noqa: FBT003 - a value
    draft.add(
        (*_INLINE, "caBundleRef", "configMapRef"),
        {"name": "kube-root-ca.crt", "key": "ca.crt"},
        "holds the cluster's CA, in every namespace",
    )


def lose_account(draft: Draft, place: Loc) -> None:
    """Whose tokens of the cluster are taken, as said at a place."""
    for key in ("serviceAccount", "namespace"):
        draft.lose((*place, key), _ACCOUNT, _BY_POLICY)
