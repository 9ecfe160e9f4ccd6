"""The rules on telemetry settings."""

from typing import Final

from vmcp_api.kinds.mcptelemetryconfig import OpenTelemetry
from vmcp_api.rules.otlp import OTLP_HEADER_RULES, otlp_rules
from vmcp_api.rules.rule import require

TELEMETRY_RULES: Final = (
    # What is off cannot go to the wrong place, and manifests of ToolHive say what they like there.
    *otlp_rules(
        OpenTelemetry,
        ca="caBundleRef",
        unless=("!self.enabled || !has(self.endpoint)", lambda otel: not otel.enabled or not otel.endpoint),
    ),
    *OTLP_HEADER_RULES,
    require(
        OpenTelemetry,
        ("enabled",),
        "!self.enabled || !has(self.endpoint) || self.endpoint == ''"
        " || (has(self.tracing) && self.tracing.enabled) || (has(self.metrics) && self.metrics.enabled)",
        "sends nothing; enable tracing or metrics, or remove the endpoint",
        lambda otel: not otel.enabled or not otel.endpoint or otel.has_signals,
    ),
)
"""The rules on telemetry settings."""
