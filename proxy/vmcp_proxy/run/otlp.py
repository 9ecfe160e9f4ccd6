"""The connection to a collector, with the values of the Secrets that the config names."""

from vmcp_api.headers import find_value_flaw
from vmcp_api.spec.telemetry import OtlpEndpoint
from vmcp_proxy.observability.otlp.connection import OtlpConnection
from vmcp_proxy.run.loading import Loaded
from vmcp_proxy.run.secret_values import InvalidHeaderError, header_value


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
