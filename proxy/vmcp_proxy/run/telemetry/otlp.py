"""Who sends to a collector, and the connection to it with the values of the Secrets that the config names."""

import socket
from importlib.metadata import version

from vmcp_api.config import ProxyConfig
from vmcp_api.headers import find_value_flaw
from vmcp_api.spec.telemetry import OtlpEndpoint
from vmcp_proxy.observability.otlp.connection import OtlpConnection
from vmcp_proxy.run.loading import Loaded
from vmcp_proxy.run.secret_values import InvalidHeaderError, header_value
from vmcp_proxy.run.settings import SOFTWARE_VERSION


def resource_of(config: ProxyConfig) -> dict[str, str]:
    """What the process calls itself in everything that it sends by OTLP; attributes that people set come first."""
    telemetry = config.telemetry
    own = {
        "service.namespace": config.namespace,
        "service.version": SOFTWARE_VERSION,
        "service.instance.id": socket.gethostname(),
        "telemetry.sdk.language": "python",
        "telemetry.sdk.name": "opentelemetry",
        "telemetry.sdk.version": version("opentelemetry-sdk"),
    }
    if telemetry is None:
        return own | {"service.name": config.name}
    return own | telemetry.resource_attributes | {"service.name": telemetry.service_name or config.name}


def connect(endpoint: OtlpEndpoint, loaded: Loaded) -> OtlpConnection:
    """How a collector is reached; nothing is opened yet, and equal settings and secrets make equal connections.

    Raises:
        MissingSecretError: a Secret that it needs is not there.
        InvalidSecretError: the value of one cannot be sent.
        InvalidHeaderError: a header of the config cannot be sent.
    """
    headers: dict[str, str] = {}
    for name, value in endpoint.headers.items():
        if flaw := find_value_flaw(value.encode(errors="surrogatepass")):
            raise InvalidHeaderError(name, flaw)
        headers[name] = value
    for header in endpoint.sensitive_headers:
        headers[header.name] = header_value(loaded, header.secret_key_ref).reveal().decode("ascii")
    return OtlpConnection.to(
        endpoint.endpoint,
        headers,
        insecure=endpoint.insecure,
        ca_bundle=endpoint.ca_bundle,
        timeout=endpoint.timeout,
    )
