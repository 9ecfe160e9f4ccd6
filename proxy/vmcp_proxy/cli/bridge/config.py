"""The config of a bridge: an ordinary endpoint with one backend, whose names it changes nothing of."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from vmcp_api.config import Backend, Network, ProxyConfig, Transport
from vmcp_api.config.proxy import VmcpConfig
from vmcp_api.spec.aggregation import Aggregation, ConflictResolution, ConflictResolutionConfig
from vmcp_api.spec.incoming import IncomingAuth, IncomingAuthType
from vmcp_api.spec.operational import FailureHandling, Limits, Operational, Timeouts
from vmcp_proxy.run.loading import Loaded
from vmcp_proxy.run.reload import Reading

_CALL_SECONDS: Final = 3600.0
"""As long as any request may take by default: whoever calls an endpoint has the endpoint's own bound before that."""
_LIST_SECONDS: Final = 10.0
_PROBE_SECONDS: Final = 10.0
_REQUEST_BYTES: Final = 64 << 20
"""As much as an answer may have: whoever calls an endpoint has the endpoint's own bound before that."""


@dataclass(frozen=True, slots=True)
class BridgeSource:
    """See `ConfigSource`: it comes of the command line alone, and does not change."""

    name: str
    namespace: str

    def paths(self) -> Iterable[Path]:
        """No files."""
        return ()

    def load(self) -> Reading:
        """The config."""
        return Reading(Loaded(build_config(self.name, self.namespace)))


def build_config(name: str, namespace: str) -> ProxyConfig:
    """The config for the process of an MCPServer; whoever reaches the port may call it, as with any server."""
    priority = ConflictResolutionConfig(priority_order=(name,))
    operational = Operational(
        timeouts=Timeouts(default=_CALL_SECONDS, list=_LIST_SECONDS),
        limits=Limits(request_body=_REQUEST_BYTES),
        failure_handling=FailureHandling(health_check_interval=_PROBE_SECONDS),
    )
    aggregation = Aggregation(conflict_resolution=ConflictResolution.PRIORITY, conflict_resolution_config=priority)
    return ProxyConfig(
        name=name,
        namespace=namespace,
        incoming_auth=IncomingAuth(type=IncomingAuthType.ANONYMOUS),
        config=VmcpConfig(aggregation=aggregation, operational=operational),
        backends=(Backend(name=name, kind="MCPServer", transport=Transport.STDIO, network=Network.CLUSTER),),
    )
