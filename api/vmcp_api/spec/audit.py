"""The audit log."""

from enum import StrEnum
from typing import Annotated, Final, TypeAlias

from pydantic import Field

from vmcp_api.base import PORT_PATTERN, Bytes, Model
from vmcp_api.spec.references import NameRef
from vmcp_api.spec.telemetry import OtlpEndpoint


class AuditSink(StrEnum):
    """Where audit lines go."""

    STDOUT = "stdout"
    FILE = "file"
    OTLP = "otlp"
    SYSLOG = "syslog"


EVENT_TYPES: Final = frozenset(
    {
        "http_rejected",
        "mcp_batch",
        "mcp_completion",
        "mcp_discover",
        "mcp_initialize",
        "mcp_list",
        "mcp_logging",
        "mcp_notification",
        "mcp_other",
        "mcp_ping",
        "mcp_prompt_get",
        "mcp_resource_read",
        "mcp_response",
        "mcp_session_end",
        "mcp_stream",
        "mcp_subscription",
        "mcp_tool_call",
        "workflow_completed",
        "workflow_failed",
        "workflow_started",
        "workflow_step_completed",
        "workflow_step_failed",
        "workflow_step_skipped",
        "workflow_timed_out",
    }
)
"""The event types that a filter can name; not in the schema, for a proxy of another version may know others."""


AuditPath: TypeAlias = Annotated[str, Field(min_length=1, max_length=1024)]


class AuditFile(Model):
    """The file of the `file` sink, and when another one is begun."""

    path: Annotated[AuditPath, Field(description="The file; one of each pod alone.")]
    max_bytes: Annotated[
        Bytes | None,
        Field(description="Size at which another file is begun; absent leaves rotation to others, such as logrotate."),
    ] = None
    keep: Annotated[
        int, Field(ge=1, le=100, description="Former files to keep: `<path>.1` is the newest; the oldest is removed.")
    ] = 5


class SyslogTransport(StrEnum):
    """How messages get to a syslog server."""

    UDP = "udp"
    TCP = "tcp"
    TLS = "tls"


class SyslogFacility(StrEnum):
    """What a syslog server sorts messages by (RFC 5424 section 6.2.1)."""

    USER = "user"
    DAEMON = "daemon"
    AUTH = "auth"
    AUTHPRIV = "authpriv"
    AUDIT = "audit"
    LOCAL0 = "local0"
    LOCAL1 = "local1"
    LOCAL2 = "local2"
    LOCAL3 = "local3"
    LOCAL4 = "local4"
    LOCAL5 = "local5"
    LOCAL6 = "local6"
    LOCAL7 = "local7"

    @property
    def number(self) -> int:
        """Its numerical code."""
        return _NUMBERS[self]


_FIRST_LOCAL: Final = 16
_NUMBERS: Final = {
    SyslogFacility.USER: 1,
    SyslogFacility.DAEMON: 3,
    SyslogFacility.AUTH: 4,
    SyslogFacility.AUTHPRIV: 10,
    SyslogFacility.AUDIT: 13,
    **{SyslogFacility(f"local{number}"): _FIRST_LOCAL + number for number in range(8)},
}

SYSLOG_ADDRESS_PATTERN: Final = rf"^(\[[0-9A-Fa-f:.%]+\]|[^\s:,/\[\]]+):{PORT_PATTERN}$"


APP_NAME_PATTERN: Final = r"^[!-~]+$"


class Syslog(Model):
    """The server of the `syslog` sink: RFC 5424 messages whose text is the audit line."""

    address: Annotated[
        str,
        Field(
            max_length=300,
            pattern=SYSLOG_ADDRESS_PATTERN,
            description="`host:port`, IPv6 hosts in brackets; ports are mostly 514, and 6514 with TLS.",
        ),
    ]
    transport: Annotated[
        SyslogTransport,
        Field(
            description=(
                "`tcp`: one connection, each message with its length before it (octet counting); `tls`: the same"
                " encrypted; `udp`: datagrams, which may be lost without anybody knowing."
            )
        ),
    ] = SyslogTransport.TCP
    facility: Annotated[SyslogFacility, Field(description="Facility of the messages.")] = SyslogFacility.AUDIT
    app_name: Annotated[
        str, Field(min_length=1, max_length=48, pattern=APP_NAME_PATTERN, description="APP-NAME of the messages.")
    ] = "vmcp"
    ca_bundle: Annotated[
        str | None,
        Field(max_length=1 << 20, description="CA certificates (PEM) beside those of the system, for `tls`."),
    ] = None
    client_certificate_ref: Annotated[
        NameRef | None, Field(description="TLS Secret (`tls.crt`, `tls.key`) to show to the server, for `tls`.")
    ] = None


class Audit(Model):
    """One JSON line per event; absent means no audit layer in the chain."""

    enabled: Annotated[bool, Field(description="Whether the audit layer is in the chain.")] = False
    sink: Annotated[
        AuditSink,
        Field(
            description=(
                "Where lines go. While it takes none, up to 100 000 lines or 32 MiB of them wait;"
                " what is lost beyond is counted."
            )
        ),
    ] = AuditSink.STDOUT
    path: Annotated[AuditPath | None, Field(description="File of the `file` sink, short for `file.path`.")] = None
    file: Annotated[AuditFile | None, Field(description="File of the `file` sink, with its rotation.")] = None
    otlp: Annotated[OtlpEndpoint | None, Field(description="Collector of the `otlp` sink, which gets log records.")] = (
        None
    )
    syslog: Annotated[Syslog | None, Field(description="Server of the `syslog` sink.")] = None
    event_types: Annotated[
        tuple[Annotated[str, Field(max_length=64)], ...],
        Field(max_length=64, description="Event types to write; empty writes all."),
    ] = ()
    exclude_event_types: Annotated[
        tuple[Annotated[str, Field(max_length=64)], ...],
        Field(max_length=64, description="Event types not to write."),
    ] = ()
    include_claims: Annotated[
        tuple[Annotated[str, Field(min_length=1, max_length=253)], ...],
        Field(
            max_length=16,
            description=(
                "Claims of callers to write with each policy decision, beside those that hold their groups; named as"
                " under `groupClaims`. `vmcp policy test` cannot judge by others."
            ),
        ),
    ] = ()
    include_request_data: Annotated[
        bool,
        Field(
            description=(
                "Whether to write the params of requests, and the arguments of a call with its policy decision; what"
                " looks like a secret is masked there and left out here."
            )
        ),
    ] = False
    include_response_data: Annotated[
        bool,
        Field(description="Whether to write results and errors; what looks like a secret is masked."),
    ] = False
    max_data_size: Annotated[
        int,
        Field(
            ge=1,
            le=1 << 20,
            description=(
                "Bytes that one event may hold of each: params, result, claims and arguments of its decision. Of params"
                " and results the beginning is written, of the others all or nothing."
            ),
        ),
    ] = 4096

    @property
    def output(self) -> AuditFile | None:
        """The file of the `file` sink, however it was written."""
        return self.file or (None if self.path is None else AuditFile(path=self.path))
