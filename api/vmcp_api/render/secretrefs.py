"""Which keys of Secrets a config needs."""

from collections.abc import Iterator

from vmcp_api.config import ProxyConfig
from vmcp_api.spec.audit import Audit
from vmcp_api.spec.outgoing import OutgoingAuth
from vmcp_api.spec.references import CERTIFICATE_KEY, PRIVATE_KEY, KeyRef
from vmcp_api.spec.telemetry import OtlpConnection


def secret_refs(config: ProxyConfig) -> Iterator[KeyRef]:
    """Every key of a Secret that a config refers to, a shared one as often as it is named."""
    if config.session_storage.password_ref:
        yield config.session_storage.password_ref
    if config.session_storage.sentinel_password_ref:
        yield config.session_storage.sentinel_password_ref
    if config.incoming_auth.oidc and (secret := config.incoming_auth.oidc.client_secret_ref):
        yield secret
    yield from telemetry_secret_refs(config)
    yield from audit_secret_refs(config.config.audit)
    for backend in config.backends:
        if backend.outgoing_auth:
            yield from outgoing_secret_refs(backend.outgoing_auth)
        for header in backend.header_forward.add_headers_from_secret:
            yield header.value_secret_ref
        yield from backend.env_from_secret.values()
        if certificate := backend.tls.client_certificate_ref:
            yield certificate
            yield KeyRef(name=certificate.name, key=PRIVATE_KEY)


def audit_secret_refs(audit: Audit) -> Iterator[KeyRef]:
    """Every key of a Secret that the sink of the audit log needs."""
    if audit.otlp:
        yield from otlp_secret_refs(audit.otlp)
    if audit.syslog and (certificate := audit.syslog.client_certificate_ref):
        yield KeyRef(name=certificate.name, key=CERTIFICATE_KEY)
        yield KeyRef(name=certificate.name, key=PRIVATE_KEY)


def telemetry_secret_refs(config: ProxyConfig) -> Iterator[KeyRef]:
    """Every key of a Secret that what a config sends needs, and no call does."""
    if config.telemetry and config.telemetry.otlp:
        yield from otlp_secret_refs(config.telemetry.otlp)


def otlp_secret_refs(collector: OtlpConnection) -> Iterator[KeyRef]:
    """Every key of a Secret that a collector needs."""
    for header in collector.sensitive_headers:
        yield header.secret_key_ref


def outgoing_secret_refs(auth: OutgoingAuth) -> Iterator[KeyRef]:
    """Every key of a Secret that a strategy needs."""
    if auth.header_injection:
        yield auth.header_injection.value_secret_ref
    if auth.bearer_token:
        yield auth.bearer_token.token_secret_ref
    if auth.client_credentials:
        yield auth.client_credentials.client_secret_ref
    if auth.token_exchange and auth.token_exchange.client_secret_ref:
        yield auth.token_exchange.client_secret_ref
    if auth.identity_assertion:
        yield auth.identity_assertion.client_secret_ref
        yield auth.identity_assertion.idp.client_secret_ref
