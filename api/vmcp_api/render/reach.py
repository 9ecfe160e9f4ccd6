"""How identity providers and servers of embeddings are reached, from what resources say about it."""

from typing import Any

from vmcp_api.kinds.foreign.core import ConfigMap
from vmcp_api.kinds.mcpoidcconfig import InlineOidc
from vmcp_api.kinds.strategies import EndpointReach
from vmcp_api.manifests.resources import Resources
from vmcp_api.render.rendered import Mode
from vmcp_api.spec.network import Network
from vmcp_api.spec.references import CaBundleRef


def provider_reach(provider: InlineOidc, resources: Resources, mode: Mode) -> dict[str, Any]:
    """The fields of ``Reach`` for an OpenID provider; call it once its CA bundle is known to be there."""
    urls = (provider.issuer, provider.jwks_url, provider.introspection_url)
    return {
        "ca_bundle": _bundle(provider.ca_bundle_ref, resources),
        "network": _network(
            mode, is_private=provider.jwks_allow_private_ip or provider.protected_resource_allow_private_ip
        ),
        "insecure_allow_http": provider.insecure_allow_http or any(map(_is_plain, urls)),
    }


def endpoint_reach(endpoint: EndpointReach, url: str, resources: Resources, mode: Mode) -> dict[str, Any]:
    """The fields of ``Reach`` for an endpoint with such a URL; call it once its CA bundle is known to be there."""
    return {
        "ca_bundle": _bundle(endpoint.ca_bundle_ref, resources),
        "network": _network(mode, is_private=endpoint.allow_private_endpoint),
        "insecure_allow_http": endpoint.insecure_allow_http or _is_plain(url),
    }


def _bundle(ref: CaBundleRef | None, resources: Resources) -> str | None:
    return resources.of(ConfigMap)[ref.key_ref.name].data[ref.key_ref.key] if ref else None


def _network(mode: Mode, *, is_private: bool) -> Network:
    if mode is Mode.LOCAL:
        return Network.LOCAL
    return Network.PRIVATE if is_private else Network.PUBLIC


def _is_plain(url: str | None) -> bool:
    """Whether a URL does without TLS: the rules let that pass on the same machine only, or where it is asked for."""
    return url is not None and url.startswith("http:")
