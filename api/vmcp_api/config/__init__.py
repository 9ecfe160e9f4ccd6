"""The config contract: what the operator, or local mode, hands to the proxy."""

from vmcp_api.config.backend import Backend, BackendTls, Transport, Withheld
from vmcp_api.config.proxy import CONTRACT, ProxyConfig
from vmcp_api.spec.network import Network

__all__ = ["CONTRACT", "Backend", "BackendTls", "Network", "ProxyConfig", "Transport", "Withheld"]
