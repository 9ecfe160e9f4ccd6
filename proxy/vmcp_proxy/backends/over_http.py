"""What the backends that speak HTTP share: their settings, and their failures as the core knows them."""

from dataclasses import dataclass, field
from typing import Final

from vmcp_proxy import http_client
from vmcp_proxy.backends.budget import ReadBudget
from vmcp_proxy.backends.errors import BackendError, Category

_UNREACHED: Final = {
    http_client.NAME_UNKNOWN: "its name cannot be resolved",
    http_client.NAME_UNANSWERED: "no DNS server has resolved its name in time; check the host name in its URL, and DNS",
    http_client.REFUSES: "it refuses connections",
}


@dataclass(frozen=True, slots=True)
class HttpBackendSettings:
    """What one HTTP backend needs to know besides its peer; sizes in bytes, waits in seconds."""

    max_response: int
    connect_timeout: float
    software_version: str
    budget: ReadBudget = field(default_factory=ReadBudget, compare=False)
    """Of the whole process."""


def translate(backend: str, error: http_client.HttpError) -> BackendError:
    """The HTTP client's failure as the core knows it."""
    match error:
        case http_client.Timeout():
            return BackendError(backend, Category.TIMEOUT)
        case http_client.ResponseTooLarge():
            return BackendError(backend, Category.TOO_LARGE)
        case http_client.ProtocolError():
            return BackendError(
                backend, Category.PROTOCOL, error.reason if error.reason == http_client.COMPRESSED else ""
            )
        case http_client.DialRefused() | http_client.TlsFailed() | http_client.RedirectRefused():
            target = error.target if isinstance(error, http_client.RedirectRefused) else ""
            return BackendError(backend, Category.REFUSED, str(error), detail=target)
        case http_client.ConnectFailed():
            return BackendError(backend, Category.UNREACHABLE, _UNREACHED.get(error.reason, ""))
    return BackendError(backend, Category.FAILED if error.sent else Category.UNREACHABLE)
