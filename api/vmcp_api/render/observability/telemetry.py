"""What a proxy sends by OTLP, with the reference of its endpoint followed."""

from vmcp_api.kinds import MCPTelemetryConfig, VirtualMCPServer
from vmcp_api.kinds.foreign.core import ConfigMap
from vmcp_api.kinds.mcptelemetryconfig import OpenTelemetry
from vmcp_api.manifests.problems import Loc, Problem, Problems
from vmcp_api.manifests.resolve import check_secret, find_unsendable, follow
from vmcp_api.manifests.resources import Resources
from vmcp_api.render.member import Refusal, refuse_bundle
from vmcp_api.render.reasons import Reason
from vmcp_api.spec.telemetry import OtlpConnection, OtlpEndpoint, Telemetry

_OPEN_TELEMETRY: Loc = ("spec", "openTelemetry")


def build_telemetry(vmcp: VirtualMCPServer, resources: Resources) -> Telemetry | Refusal | None:
    """What an endpoint sends; None where it sends nothing, a refusal where it cannot be told what."""
    ref = vmcp.spec.telemetry_config_ref
    if ref is None:
        return None
    found = follow(resources, MCPTelemetryConfig, ref.name, ("spec", "telemetryConfigRef", "name"))
    if isinstance(found, Problem):
        is_there = (MCPTelemetryConfig.__name__, ref.name) in resources.invalid
        reason = Reason.TELEMETRY_CONFIG_INVALID if is_there else Reason.TELEMETRY_CONFIG_NOT_FOUND
        return Refusal(reason, found.about(f"VirtualMCPServer/{vmcp.metadata.name}"))
    otel = found.spec.open_telemetry
    if otel is None or not otel.enabled or not otel.endpoint:
        return None
    if refusal := refuse_telemetry(found, resources):
        return Refusal(refusal.reason, refusal.problem.about(f"{found.kind}/{ref.name}"))
    return Telemetry(
        otlp=_collector(otel, resources),
        tracing=otel.tracing,
        metrics=otel.metrics,
        service_name=ref.service_name,
        resource_attributes=otel.resource_attributes,
    )


def refuse_telemetry(config: MCPTelemetryConfig, resources: Resources) -> Refusal | None:
    """A CA bundle or Secret that is known to be missing, or to be of no use."""
    otel = config.spec.open_telemetry
    if otel is None:
        return None
    if otel.ca_bundle_ref:
        loc = (*_OPEN_TELEMETRY, "caBundleRef", "configMapRef")
        if refusal := refuse_bundle(otel.ca_bundle_ref.key_ref, resources, loc):
            return refusal
    for index, header in enumerate(otel.sensitive_headers):
        place = (*_OPEN_TELEMETRY, "sensitiveHeaders", index, "secretKeyRef")
        if problem := check_secret(resources, header.secret_key_ref, place):
            return Refusal(Reason.SECRET_NOT_FOUND, problem)
        if problem := find_unsendable(resources, header.secret_key_ref, place):
            return Refusal(Reason.SECRET_INVALID, problem)
    return None


def doubt_telemetry(vmcp: VirtualMCPServer, resources: Resources) -> Problems:
    """What an endpoint refers to and sends nothing by, although it says what should be sent."""
    ref = vmcp.spec.telemetry_config_ref
    config = resources.of(MCPTelemetryConfig).get(ref.name) if ref else None
    doubts = doubt_endpoint(config) if config else Problems()
    return doubts.about(f"{MCPTelemetryConfig.__name__}/{config.metadata.name}") if config else doubts


def doubt_endpoint(config: MCPTelemetryConfig) -> Problems:
    """Settings with traces or metrics and without a collector are valid, as in ToolHive; few who write them know."""
    otel = config.spec.open_telemetry
    if otel is None or not otel.enabled or otel.endpoint or not otel.has_signals:
        return Problems()
    said = "is absent, so that nothing is sent by OTLP"
    remedy = "write the URL of the collector, or disable tracing and metrics"
    return Problems.of(Problem(said, remedy, (*_OPEN_TELEMETRY, "endpoint"))).as_warnings()


def _collector(otel: OpenTelemetry, resources: Resources) -> OtlpEndpoint:
    """The collector with the CA certificates copied in; call it once nothing is missing."""
    ref = otel.ca_bundle_ref.key_ref if otel.ca_bundle_ref else None
    bundle = resources.of(ConfigMap)[ref.name].data[ref.key] if ref else None
    return OtlpEndpoint(ca_bundle=bundle, **{name: getattr(otel, name) for name in OtlpConnection.model_fields})
