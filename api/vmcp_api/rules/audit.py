"""The rules of the audit log: each sink has its settings."""

from typing import Final

from vmcp_api.rules.otlp import OTLP_HEADER_RULES, otlp_rules
from vmcp_api.rules.rule import Rule, require
from vmcp_api.spec.audit import Audit, AuditSink, Syslog, SyslogTransport
from vmcp_api.spec.telemetry import OtlpEndpoint

AUDIT_RULES: Final[tuple[Rule, ...]] = (
    *otlp_rules(OtlpEndpoint, ca="caBundle"),
    *OTLP_HEADER_RULES,
    require(
        Audit,
        ("path",),
        "self.sink != 'file' || has(self.path) || has(self.file)",
        "is required for sink file; write the file's path",
        lambda audit: audit.sink != AuditSink.FILE or audit.output is not None,
    ),
    require(
        Audit,
        ("path",),
        "!has(self.path) || !has(self.file)",
        "stands beside file; keep file.path",
        lambda audit: audit.path is None or audit.file is None,
    ),
    require(
        Audit,
        ("otlp",),
        "self.sink != 'otlp' || has(self.otlp)",
        "is required for sink otlp; write otlp.endpoint, the collector's URL, also where traces have one already",
        lambda audit: audit.sink != AuditSink.OTLP or audit.otlp is not None,
    ),
    require(
        Audit,
        ("syslog",),
        "self.sink != 'syslog' || has(self.syslog)",
        "is required for sink syslog; write syslog.address, the server's host:port",
        lambda audit: audit.sink != AuditSink.SYSLOG or audit.syslog is not None,
    ),
    require(
        Syslog,
        ("caBundle",),
        "self.transport == 'tls' || !has(self.caBundle)",
        "belongs to transport tls; remove it or set transport: tls",
        lambda syslog: syslog.transport == SyslogTransport.TLS or syslog.ca_bundle is None,
    ),
    require(
        Syslog,
        ("clientCertificateRef",),
        "self.transport == 'tls' || !has(self.clientCertificateRef)",
        "belongs to transport tls; remove it or set transport: tls",
        lambda syslog: syslog.transport == SyslogTransport.TLS or syslog.client_certificate_ref is None,
    ),
)
