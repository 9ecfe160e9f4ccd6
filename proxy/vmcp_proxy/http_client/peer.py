"""Who a request goes to: an endpoint, the network it may live in and whom its TLS trusts."""

import hashlib
from dataclasses import dataclass, field

from vmcp_api.config import Network
from vmcp_proxy.http_client.url import Url


@dataclass(frozen=True, slots=True)
class TrustSetting:
    """Whom TLS trusts and what it shows; all three are PEM text, a key needs its certificate.

    ``ca_bundle`` is added to the system's roots. One TLS context and one pool partition per setting.
    """

    ca_bundle: str | None = field(default=None, repr=False)
    client_certificate: str | None = field(default=None, repr=False)
    client_key: str | None = field(default=None, repr=False)
    digest: str = field(init=False, compare=False)

    def __post_init__(self) -> None:
        if (self.client_certificate is None) != (self.client_key is None):
            raise ValueError("a client certificate and its key come together")
        digest = hashlib.sha256()
        for part in (self.ca_bundle, self.client_certificate, self.client_key):
            data = b"" if part is None else part.encode()
            digest.update(b"%d:" % (-1 if part is None else len(data)))
            digest.update(data)
        object.__setattr__(self, "digest", digest.hexdigest()[:32])


@dataclass(frozen=True, slots=True)
class Peer:
    """A backend as the connection pool sees it.

    ``pool_key`` is derived: peers that may share connections have the same one. It is text, so that its
    hash is computed once.
    """

    url: Url
    network: Network = Network.PUBLIC
    trust: TrustSetting = TrustSetting()
    pool_key: str = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        scheme, host, port = self.url.origin
        key = f"{scheme}://[{host}]:{port} {self.network} {self.trust.digest}"
        object.__setattr__(self, "pool_key", key)
