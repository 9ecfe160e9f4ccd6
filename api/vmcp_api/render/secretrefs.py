"""Which keys of Secrets a config needs."""

from collections.abc import Iterator

from vmcp_api.config import ProxyConfig
from vmcp_api.render.member import PRIVATE_KEY
from vmcp_api.spec.references import KeyRef


def secret_refs(config: ProxyConfig) -> Iterator[KeyRef]:
    """Every key of a Secret that a config refers to, a shared one as often as it is named."""
    if config.session_storage.password_ref:
        yield config.session_storage.password_ref
    if config.session_storage.sentinel_password_ref:
        yield config.session_storage.sentinel_password_ref
    for backend in config.backends:
        for header in backend.header_forward.add_headers_from_secret:
            yield header.value_secret_ref
        yield from backend.env_from_secret.values()
        if certificate := backend.tls.client_certificate_ref:
            yield certificate
            yield KeyRef(name=certificate.name, key=PRIVATE_KEY)
