"""MCPTelemetryConfig, and the telemetry that a VirtualMCPServer says itself."""

from typing import Any, Final

from vmcp_api.convert.draft import Draft
from vmcp_api.kinds import MCPTelemetryConfig
from vmcp_api.manifests.problems import Loc, Problems
from vmcp_api.manifests.validate import validate
from vmcp_api.naming import API_VERSION

_LEGACY: Final = "names attributes by the conventions for MCP alone here; look for those names in dashboards"
_SCRAPED: Final = "is so without: metrics can be scraped at the admin port"
_OWN: Final[Loc] = ("spec", "config", "telemetry")
_MOVED: Final = "is said in an MCPTelemetryConfig, which telemetryConfigRef names"
_PLACES: Final[dict[str, tuple[str, ...]]] = {
    "endpoint": ("endpoint",),
    "insecure": ("insecure",),
    "headers": ("headers",),
    "customAttributes": ("resourceAttributes",),
    "tracingEnabled": ("tracing", "enabled"),
    "samplingRate": ("tracing", "samplingRate"),
    "metricsEnabled": ("metrics", "enabled"),
}


def convert_telemetry_config(draft: Draft) -> None:
    """An MCPTelemetryConfig."""
    draft.drop(("spec", "openTelemetry", "useLegacyAttributes"), _LEGACY)
    draft.drop(("spec", "prometheus"), _SCRAPED)


def convert_own_telemetry(draft: Draft) -> None:
    """The telemetry of a VirtualMCPServer becomes an MCPTelemetryConfig of its own, unless it names one."""
    if not draft.has(_OWN):
        return
    if draft.has(("spec", "telemetryConfigRef")):
        draft.drop(_OWN, "had no effect beside telemetryConfigRef")
        return
    metadata = {"name": f"{draft.get('metadata', 'name')}-telemetry"}
    if (namespace := draft.get("metadata", "namespace")) is not None:
        metadata["namespace"] = str(namespace)
    other: dict[str, Any] = {"apiVersion": API_VERSION, "kind": "MCPTelemetryConfig", "metadata": metadata}
    other["spec"] = {"openTelemetry": _read_own(draft)}
    found = validate(MCPTelemetryConfig, other)
    if isinstance(found, Problems):
        first = next(iter(found))
        draft.lose(_OWN, first.message, first.remedy)
        return
    for key in _PLACES:
        draft.drop((*_OWN, key), _MOVED)
    for key in ("enablePrometheusMetricsPath", "prometheusPort", "metricsOnTransportPort"):
        draft.drop((*_OWN, key), _SCRAPED)
    draft.drop((*_OWN, "useLegacyAttributes"), _LEGACY)
    draft.move((*_OWN, "serviceName"), ("spec", "telemetryConfigRef", "serviceName"), _MOVED)
    draft.lose((*_OWN, "serviceVersion"), "is that of vmcp", "write it as service.version in resourceAttributes")
    draft.lose((*_OWN, "environmentVariables"), "are not put into spans", "write resourceAttributes")
    draft.lose(
        (*_OWN, "caCertPath"), "is a file of the pods", "write the CA into a ConfigMap, and its name in caBundleRef"
    )
    draft.add(("spec", "telemetryConfigRef", "name"), metadata["name"], _MOVED)
    draft.others.append(other)


def _read_own(draft: Draft) -> dict[str, Any]:
    spec: dict[str, Any] = {"enabled": True}
    for key, place in _PLACES.items():
        if draft.has((*_OWN, key)):
            holder = spec
            for step in place[:-1]:
                holder = holder.setdefault(step, {})
            holder[place[-1]] = draft.get(*_OWN, key)
    return spec
