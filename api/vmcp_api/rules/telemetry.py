"""The rules on telemetry settings."""

from typing import Final

from vmcp_api.kinds.mcptelemetryconfig import OpenTelemetry
from vmcp_api.rules.otlp import OTLP_HEADER_RULES, otlp_rules
from vmcp_api.rules.rule import require

TELEMETRY_RULES: Final = (
    *otlp_rules(OpenTelemetry, ca="caBundleRef"),
    *OTLP_HEADER_RULES,
    require(
        OpenTelemetry,
        ("enabled",),
        "!self.enabled || (has(self.tracing) && self.tracing.enabled) || (has(self.metrics) && self.metrics.enabled)",
        "sends nothing; enable tracing or metrics, or remove it",
        lambda otel: not otel.enabled or otel.tracing.enabled or otel.metrics.enabled,
    ),
)
"""The rules on telemetry settings."""
