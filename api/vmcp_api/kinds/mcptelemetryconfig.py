"""MCPTelemetryConfig: where traces and metrics go, for endpoints that share it."""

from typing import Annotated, Literal

from pydantic import Field

from vmcp_api.base import Model
from vmcp_api.kinds.metadata import ObjectMeta
from vmcp_api.kinds.status import ConfigStatus
from vmcp_api.spec.references import CaBundleRef
from vmcp_api.spec.telemetry import OtlpConnection, OtlpMetrics, ResourceAttributes, Tracing


class OpenTelemetry(OtlpConnection):
    """What is sent to a collector, and how it is reached."""

    enabled: Annotated[bool, Field(description="Whether anything is sent.")] = False
    ca_bundle_ref: Annotated[
        CaBundleRef | None, Field(description="CA certificates of the collector beyond the system's.")
    ] = None
    resource_attributes: Annotated[
        ResourceAttributes, Field(description="Further attributes of the resource, such as `deployment.environment`.")
    ] = Field(default_factory=dict)
    tracing: Annotated[Tracing, Field(description="Traces.")] = Tracing()
    metrics: Annotated[OtlpMetrics, Field(description="Metrics.")] = OtlpMetrics()
    use_legacy_attributes: Annotated[
        bool,
        Field(description="Taken and without effect: attributes are named by the conventions for MCP alone."),
    ] = False

    @property
    def has_signals(self) -> bool:
        """Whether there is something that a collector would get."""
        return self.tracing.enabled or self.metrics.enabled


class Prometheus(Model):
    """What manifests of ToolHive say of scraping."""

    enabled: Annotated[
        bool, Field(description="Taken and without effect: metrics can be scraped at the admin port in any case.")
    ] = False


class MCPTelemetryConfigSpec(Model):
    """What is told to whom."""

    open_telemetry: Annotated[OpenTelemetry | None, Field(description="What is sent by OTLP.")] = None
    prometheus: Annotated[Prometheus, Field(description="Metrics that are scraped.")] = Prometheus()


class MCPTelemetryConfigStatus(ConfigStatus):
    """What the operator observes of telemetry settings."""


class MCPTelemetryConfig(Model):
    """OpenTelemetry settings; VirtualMCPServers take them over with `telemetryConfigRef`."""

    api_version: Literal["vmcp.dev/v1beta1"]
    kind: Literal["MCPTelemetryConfig"]
    metadata: ObjectMeta
    spec: Annotated[MCPTelemetryConfigSpec, Field(description="What is wanted.")]
    status: Annotated[MCPTelemetryConfigStatus | None, Field(description="What is observed.")] = None
