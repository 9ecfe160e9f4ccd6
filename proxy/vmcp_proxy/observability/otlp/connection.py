"""A collector and what it takes to be let in there; light, so that reloads can compare before anything is imported."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, TypeAlias
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from vmcp_proxy.observability.otlp.session import OtlpSession

Signal: TypeAlias = Literal["traces", "metrics", "logs"]

_LIBRARIES: Final = ("opentelemetry", "urllib3")


@dataclass(frozen=True, slots=True)
class OtlpConnection:
    """A collector: `base` is its URL without the paths of signals, `timeout` bounds one export in seconds."""

    base: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    ca_bundle: str | None = field(default=None, repr=False)
    timeout: float = 10.0

    @classmethod
    def to(
        cls,
        endpoint: str,
        headers: Mapping[str, str],
        *,
        insecure: bool = False,
        ca_bundle: str | None = None,
        timeout: float = 10.0,
    ) -> "OtlpConnection":
        """The connection to an endpoint as people write it: a URL, or `host:port`."""
        scheme = "http" if insecure else "https"
        base = endpoint if "://" in endpoint else f"{scheme}://{endpoint}"
        return cls(base.rstrip("/"), headers, ca_bundle, timeout)

    @property
    def origin(self) -> str:
        """Scheme, host and port, for people: a path may hold a key."""
        parts = urlsplit(self.base)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"

    def url(self, signal: Signal) -> str:
        """Where a signal goes."""
        return f"{self.base}/v1/{signal}"

    def open(self) -> "OtlpSession":
        """A session for the exporters of the SDK (their argument `session`), of one thread each.

        It imports what only OTLP needs and builds a TLS context: some 100 ms, once.

        Raises:
            ssl.SSLError: the CA bundle holds no usable certificate.
        """
        from vmcp_proxy.observability.otlp.session import OtlpSession  # noqa: PLC0415

        for name in _LIBRARIES:
            # They quote what a collector says, once for each batch: whoever exports tells of changes itself.
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)
        return OtlpSession(self)
