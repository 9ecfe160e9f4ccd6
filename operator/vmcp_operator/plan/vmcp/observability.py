"""What an endpoint tells others: whether its telemetry and its audit log are as the resources ask for."""

from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from typing import Any, Final

from vmcp_api.config import ProxyConfig
from vmcp_api.manifests.problems import Problems
from vmcp_api.naming import PROXY_CONTAINER
from vmcp_api.pod_status import PodStatus
from vmcp_api.render.member import Refusal
from vmcp_api.spec.audit import AuditSink
from vmcp_operator.plan.conditions import Finding, summarise
from vmcp_operator.plan.kinds import Manifest
from vmcp_operator.plan.vmcp.lacks import Lacks

NOT_WRITABLE: Final = "AuditPathNotWritable"
SINK_AWAY: Final = "AuditSinkUnavailable"
_READ_ONLY: Final = frozenset({"configMap", "secret", "projected", "downwardAPI", "image"})
"""Sources of volumes that no pod can write to."""


def not_rendered(name: str) -> Finding:
    """Nothing is known of what no config says yet: what a resource asks for is told once it can be rendered."""
    return Finding.unknown(name, "NoConfig", "there is no config yet; Ready says what keeps it from being rendered")


def telemetry_finding(config: ProxyConfig | None, broken: Refusal | None, lacks: Lacks, warnings: Problems) -> Finding:
    """Whether what is sent by OTLP is what the resources say, and why they may say something else than is meant."""
    name = "TelemetryConfigured"
    sent = config.telemetry if config else None
    if broken:
        kept = "what was in force stays" if sent else "nothing is sent before"
        return Finding.false(name, broken.reason, f"{broken.problem}; {kept}")
    if lacks:
        return Finding.false(name, lacks.reason, lacks.message)
    if config is None:
        return not_rendered(name)
    if sent is None:
        doubts = summarise(Problems(tuple(each for each in warnings if each.subject.startswith("MCPTelemetryConfig/"))))
        return Finding.true(name, "Off", doubts or "nothing is sent by OTLP; metrics can be scraped")
    return Finding.true(name, "Configured", "")


def audit_finding(config: ProxyConfig | None, flaw: str | None, lacks: Lacks, reports: Iterable[PodStatus]) -> Finding:
    """Whether the audit log can get where the resources say; `flaw` says why its file cannot be written."""
    name = "AuditConfigured"
    if config is None:
        return not_rendered(name)
    if not config.config.audit.enabled:
        return Finding.true(name, "Off", "no audit log is written")
    if flaw:
        return Finding.false(name, NOT_WRITABLE, flaw)
    if lacks:
        return Finding.false(name, lacks.reason, lacks.message)
    away = next((each.audit for each in reports if each.audit and each.audit.is_away), None)
    if away:
        said = (
            f"the sink of the audit log takes nothing: {away.message}; mend it: lines wait, and the newest are lost"
            " once too many do"
        )
        return Finding.false(name, SINK_AWAY, said)
    return Finding.true(name, "Configured", "")


def find_audit_flaw(config: ProxyConfig | None, deployment: Manifest | None) -> str | None:
    """Why the file of the audit log cannot be written in the pods of a Deployment; None where it can, or may."""
    audit = config.config.audit if config else None
    if audit is None or not audit.enabled or audit.sink is not AuditSink.FILE or audit.output is None:
        return None
    path = PurePosixPath(audit.output.path)
    if deployment is None or _is_writable(path, deployment["spec"]["template"]["spec"]):
        return None
    return (
        f"spec.config.audit: {path.parent} is on no writable volume of the pods; mount one there in podTemplateSpec"
        f" (volumes, and volumeMounts of the container {PROXY_CONTAINER}), or write below /tmp, which goes with the pod"
    )


def _is_writable(path: PurePosixPath, pod: Mapping[str, Any]) -> bool:
    container: Manifest = next(
        (each for each in pod.get("containers") or () if each.get("name") == PROXY_CONTAINER), {}
    )
    sources = {each["name"]: each for each in pod.get("volumes") or ()}
    mounts = [each for each in container.get("volumeMounts") or () if path.is_relative_to(each["mountPath"])]
    if not mounts:
        return not (container.get("securityContext") or {}).get("readOnlyRootFilesystem")
    nearest = max(mounts, key=lambda each: len(PurePosixPath(each["mountPath"]).parts))
    return not nearest.get("readOnly") and _READ_ONLY.isdisjoint(sources.get(nearest["name"], {}))
