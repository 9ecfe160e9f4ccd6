"""What leaves a proxy by OTLP: where to, and which traces and metrics (ADR-0047).

Fields are named as in ToolHive's MCPTelemetryConfig where they mean the same.
"""

from typing import Annotated, Final, Self, TypeAlias

from pydantic import Field, model_validator

from vmcp_api.base import LIST_SET, PORT_PATTERN, HeaderName, Model, Seconds, list_map
from vmcp_api.spec.references import KeyRef

_ENDPOINT: Final = rf"(https?://)?(\[[0-9A-Fa-f:.]+\]|[^\s/?#@:\[\]]+)(:{PORT_PATTERN})?(/[^\s?#]*)?"
ENDPOINT_PATTERN: Final = f"^{_ENDPOINT}$"
ENDPOINT_OR_NONE_PATTERN: Final = f"^({_ENDPOINT})?$"
"""As ToolHive's, where an empty endpoint is none."""
ENDPOINT_DESCRIPTION: Final = (
    "Collector that takes OTLP over HTTP (protobuf): a URL or `host:port`, without `/v1/traces` and the like, which is"
    " added for each signal."
)
RATIO_PATTERN: Final = r"^(0(\.[0-9]+)?|1(\.0+)?)$"

Ratio: TypeAlias = Annotated[str, Field(max_length=32, pattern=RATIO_PATTERN)]
"""A share from 0 to 1 as text, such as ``0.05``."""

ServiceName: TypeAlias = Annotated[str, Field(min_length=1, max_length=255)]

ResourceAttributes: TypeAlias = Annotated[
    dict[Annotated[str, Field(min_length=1, max_length=255)], Annotated[str, Field(max_length=1024)]],
    Field(max_length=64),
]


class SensitiveHeader(Model):
    """A header whose value lies in a Secret."""

    name: Annotated[HeaderName, Field(description="Header to send.")]
    secret_key_ref: Annotated[KeyRef, Field(description="Secret key with the value.")]


class OtlpConnection(Model):
    """How a collector is reached, as resources and the config of a proxy both say it."""

    endpoint: Annotated[
        str | None,
        Field(
            max_length=2048,
            pattern=ENDPOINT_OR_NONE_PATTERN,
            description=f"{ENDPOINT_DESCRIPTION} Absent or empty, nothing is sent.",
        ),
    ] = None
    insecure: Annotated[bool, Field(description="Whether it is spoken to without TLS.")] = False
    headers: Annotated[
        dict[HeaderName, Annotated[str, Field(max_length=8192)]],
        Field(max_length=32, description="Headers with the value in the clear; no credentials here."),
    ] = Field(default_factory=dict)
    sensitive_headers: Annotated[
        tuple[SensitiveHeader, ...],
        Field(
            max_length=32,
            description="Headers with the value in a Secret.",
            json_schema_extra=list_map("name"),
        ),
    ] = ()
    timeout: Annotated[
        Seconds, Field(gt=0, le=60, description="Bound of one export, with its attempts again; then it is lost.")
    ] = 10.0


class OtlpEndpoint(OtlpConnection):
    """A collector, with the CA certificates themselves."""

    endpoint: Annotated[
        str, Field(min_length=1, max_length=2048, pattern=ENDPOINT_PATTERN, description=ENDPOINT_DESCRIPTION)
    ]
    ca_bundle: Annotated[
        str | None,
        Field(max_length=1 << 20, description="CA certificates (PEM) beside those of the system."),
    ] = None


class Tracing(Model):
    """Which requests are traced."""

    enabled: Annotated[bool, Field(description="Whether spans are made and sent.")] = False
    sampling_rate: Annotated[
        Ratio,
        Field(
            description=(
                "Share of the traces that begin here; what a client has begun is traced where it has sampled it."
            )
        ),
    ] = "0.05"
    baggage: Annotated[
        tuple[HeaderName, ...],
        Field(
            max_length=16,
            description="Names of W3C baggage that may be forwarded to backends; no other is.",
            json_schema_extra=LIST_SET,
        ),
    ] = ()

    @property
    def ratio(self) -> float:
        """The share as a number."""
        return float(self.sampling_rate)


class OtlpMetrics(Model):
    """Whether metrics are sent too; they can be scraped in any case."""

    enabled: Annotated[bool, Field(description="Whether metrics are sent.")] = False
    interval: Annotated[Seconds, Field(ge=1, le=3600, description="Time between two exports.")] = 60.0


class Telemetry(Model):
    """What a proxy sends by OTLP, and what it calls itself there."""

    otlp: Annotated[OtlpEndpoint | None, Field(description="Where it goes; required where anything is enabled.")] = None
    tracing: Annotated[Tracing, Field(description="Traces.")] = Tracing()
    metrics: Annotated[OtlpMetrics, Field(description="Metrics.")] = OtlpMetrics()
    service_name: Annotated[
        ServiceName | None, Field(description="`service.name`; absent takes the name of the VirtualMCPServer.")
    ] = None
    resource_attributes: Annotated[
        ResourceAttributes, Field(description="Further attributes of the resource, such as `deployment.environment`.")
    ] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        """A config of another hand may not leave out where things go."""
        if (self.tracing.enabled or self.metrics.enabled) and self.otlp is None:
            raise ValueError("needs otlp where tracing or metrics are enabled; let it be written again")
        return self
