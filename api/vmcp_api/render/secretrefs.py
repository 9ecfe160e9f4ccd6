"""Which keys of Secrets a config needs, and what for."""

from collections.abc import Iterator
from dataclasses import dataclass

from vmcp_api.config import Backend, ProxyConfig
from vmcp_api.config.sessions import StorageConfig
from vmcp_api.headers import find_value_flaw, trim_secret
from vmcp_api.spec.audit import Audit
from vmcp_api.spec.outgoing import OutgoingAuth
from vmcp_api.spec.references import CERTIFICATE_KEY, PRIVATE_KEY, KeyRef
from vmcp_api.spec.telemetry import OtlpConnection


@dataclass(frozen=True, slots=True)
class SecretUse:
    """A key of a Secret that a config refers to.

    `is_sent` says that its value is that of a header as it is, `may_be_empty` that nobody is let in by it.
    """

    ref: KeyRef
    is_sent: bool = False
    may_be_empty: bool = False

    def find_flaw(self, content: bytes) -> str | None:
        """What keeps what the key holds from being used: ``what is wrong; what to do``, never the value."""
        value = trim_secret(content)
        if self.is_sent:
            return find_value_flaw(value)
        return None if self.may_be_empty or value.strip() else "is empty; write the secret into it"


def secret_refs(config: ProxyConfig) -> Iterator[KeyRef]:
    """Every key of a Secret that a config refers to, a shared one as often as it is named."""
    return (use.ref for use in secret_uses(config))


def secret_uses(config: ProxyConfig) -> Iterator[SecretUse]:
    """The same, with what each is for."""
    yield from storage_secrets(config.session_storage)
    if config.incoming_auth.oidc and (secret := config.incoming_auth.oidc.client_secret_ref):
        yield SecretUse(secret)
    yield from telemetry_secrets(config)
    yield from audit_secrets(config.config.audit)
    yield from embeddings_secrets(config)
    for backend in config.backends:
        yield from _backend_secrets(backend)


def storage_secrets(storage: StorageConfig) -> Iterator[SecretUse]:
    """Every key of a Secret that the session storage needs."""
    for ref in (storage.password_ref, storage.sentinel_password_ref):
        if ref:
            yield SecretUse(ref)


def audit_secrets(audit: Audit) -> Iterator[SecretUse]:
    """Every key of a Secret that the sink of the audit log needs."""
    if audit.otlp:
        yield from _collector_secrets(audit.otlp)
    if audit.syslog and (certificate := audit.syslog.client_certificate_ref):
        yield SecretUse(KeyRef(name=certificate.name, key=CERTIFICATE_KEY))
        yield SecretUse(KeyRef(name=certificate.name, key=PRIVATE_KEY))


def telemetry_secrets(config: ProxyConfig) -> Iterator[SecretUse]:
    """Every key of a Secret that what a config sends needs, and no call does."""
    if config.telemetry and config.telemetry.otlp:
        yield from _collector_secrets(config.telemetry.otlp)


def embeddings_secrets(config: ProxyConfig) -> Iterator[SecretUse]:
    """Every key of a Secret that the server of embeddings needs, and no call does."""
    optimizer = config.config.optimizer
    if optimizer and optimizer.embeddings and (ref := optimizer.embeddings.api_key_secret_ref):
        yield SecretUse(ref, is_sent=True)


def _collector_secrets(collector: OtlpConnection) -> Iterator[SecretUse]:
    for header in collector.sensitive_headers:
        yield SecretUse(header.secret_key_ref, is_sent=True)


def _backend_secrets(backend: Backend) -> Iterator[SecretUse]:
    if backend.outgoing_auth:
        yield from _strategy_secrets(backend.outgoing_auth)
    for header in backend.header_forward.add_headers_from_secret:
        yield SecretUse(header.value_secret_ref, is_sent=True)
    for ref in backend.env_from_secret.values():
        yield SecretUse(ref, may_be_empty=True)
    if certificate := backend.tls.client_certificate_ref:
        yield SecretUse(certificate)
        yield SecretUse(KeyRef(name=certificate.name, key=PRIVATE_KEY))


def _strategy_secrets(auth: OutgoingAuth) -> Iterator[SecretUse]:
    if auth.header_injection:
        yield SecretUse(auth.header_injection.value_secret_ref, is_sent=True)
    if auth.bearer_token:
        yield SecretUse(auth.bearer_token.token_secret_ref, is_sent=True)
    if auth.client_credentials:
        yield SecretUse(auth.client_credentials.client_secret_ref)
    if auth.token_exchange and auth.token_exchange.client_secret_ref:
        yield SecretUse(auth.token_exchange.client_secret_ref)
    if auth.identity_assertion:
        yield SecretUse(auth.identity_assertion.client_secret_ref)
        yield SecretUse(auth.identity_assertion.idp.client_secret_ref)
