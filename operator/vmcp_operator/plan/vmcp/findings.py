"""The conditions of a VirtualMCPServer."""

from typing import Final

from vmcp_api.kinds.virtualmcpserver import BackendHealth
from vmcp_api.kinds.virtualmcpserver import VirtualMCPServerPhase as Phase
from vmcp_api.manifests.problems import Problem, Problems
from vmcp_api.render.policies import is_about_policies
from vmcp_api.render.reasons import Reason
from vmcp_api.spec.authorization import PolicyMode
from vmcp_api.spec.rate_limiting import OnStoreFailure
from vmcp_operator.plan.conditions import Finding, PhaseReason, deployment_finding, summarise
from vmcp_operator.plan.kinds import DEPLOYMENT
from vmcp_operator.plan.members import TOOL_CONFIGS
from vmcp_operator.plan.vmcp.backends import ROUTABLE, STARTING
from vmcp_operator.plan.vmcp.lacks import Lacks
from vmcp_operator.plan.vmcp.observability import audit_finding, not_rendered, telemetry_finding
from vmcp_operator.plan.vmcp.phase import (
    CONFIG_LOADING,
    STOPPED,
    STORE_AWAY,
    Facts,
    is_about_group,
    reason_of,
    say_loading,
    say_not_shared,
    say_store_away,
    say_without_tools,
)
from vmcp_operator.plan.vmcp.search import search_finding

_BROKEN_AUTH: Final = frozenset(
    {
        Reason.AUTH_CONFIG_NOT_FOUND,
        Reason.AUTH_CONFIG_INVALID,
        Reason.CALLER_TOKEN_NEEDED,
        Reason.RELAY_NOT_ALLOWED,
        Reason.TOKEN_HOST_NOT_ALLOWED,
    }
)
"""Reasons of backends that are withheld for what they would be shown."""

_BROKEN_TOOLS: Final = frozenset({Reason.TOOL_CONFIG_NOT_FOUND, Reason.TOOL_CONFIG_INVALID})
"""Reasons of backends that are withheld as their filters cannot be told."""

_POLICIES: Final = "authorization"
"""Where policies stand in the config that a pod refuses."""


def vmcp_findings(facts: Facts, decided: PhaseReason, warnings: Problems) -> tuple[Finding, ...]:
    """Every condition, in a fixed order."""
    reporting = facts.reports.reporting
    return (
        _valid(facts, warnings),
        _group(facts),
        _session_exposed(warnings),
        _auth(facts),
        _authorization(facts, warnings),
        telemetry_finding(facts.config, facts.telemetry, facts.lacks.telemetry, warnings),
        audit_finding(facts.config, facts.audit_flaw, facts.lacks.audit, reporting),
        _rate_limits(facts),
        _tool_configs(facts),
        _composites(facts),
        search_finding(facts.config, facts.embeddings, facts.lacks.embeddings, reporting),
        _template(facts),
        _storage(facts),
        _deployment(facts),
        _config(facts),
        _backends(facts),
        _conflicts(facts),
        _ready(facts, decided),
    )


def _valid(facts: Facts, warnings: Problems) -> Finding:
    errors = Problems(tuple(each for each in facts.errors if not is_about_group(each)))
    if errors:
        return Finding.false("Valid", reason_of(errors, is_group_there=facts.is_group_there), summarise(errors))
    own = Problems(tuple(each for each in warnings if _is_own(each)))
    return Finding.true("Valid", "Valid", summarise(own))


def _group(facts: Facts) -> Finding:
    errors = Problems(tuple(each for each in facts.errors if is_about_group(each)))
    if errors:
        return Finding.false(
            "GroupRefValidated", reason_of(errors, is_group_there=facts.is_group_there), summarise(errors)
        )
    return Finding.true("GroupRefValidated", "GroupFound", "the group exists")


def _session_exposed(warnings: Problems) -> Finding:
    exposed = Problems(tuple(each for each in warnings if each.loc == ("spec", "passthroughHeaders")))
    if exposed:
        return Finding.true("SessionIdIsCredential", "AnonymousPassthrough", summarise(exposed))
    return Finding.false("SessionIdIsCredential", "NotExposed", "")


def _auth(facts: Facts) -> Finding:
    """Whether callers are identified and backends are shown what the resources say."""
    name = "AuthConfigured"
    reporting = facts.reports.reporting
    if gap := facts.guard.incoming:
        return Finding.false(name, gap.reason, gap.message)
    broken = [each for each in facts.backends if each.reason in _BROKEN_AUTH]
    said = "; ".join(f"{each.name}: {each.message}" for each in broken)
    backends = (each for report in reporting for each in report.backends)
    withheld = frozenset(each.message for each in backends if each.reason == Reason.SECRET_INVALID)
    lacks = Lacks(facts.lacks.auth.missing, facts.lacks.auth.flaws | withheld)
    if broken or lacks:
        reason = (broken[0].reason or "") if broken else lacks.reason
        unserved = f"backends that are not served: {said}" if broken else ""
        return Finding.false(name, reason, "; ".join(filter(None, (unserved, lacks.message))))
    away = next((each.issuer for each in reporting if each.issuer and each.issuer.is_away), None)
    if away:
        return Finding.false(name, "IssuerUnavailable", away.message)
    return Finding.true(name, "Configured", "")


def _authorization(facts: Facts, warnings: Problems) -> Finding:
    """Whether what callers may do is what the resources say, and what policies name that nothing has."""
    name = "AuthzConfigured"
    if gap := facts.guard.authorization:
        return Finding.false(name, gap.reason, gap.message)
    loads = (report.load_error for report in facts.reports.all if report.load_error)
    refused = next((each for each in loads if each.path.startswith(_POLICIES)), None)
    if refused:
        return Finding.false(name, "PoliciesRefused", refused.message)
    if facts.config is None:
        return not_rendered(name)
    authorization = facts.config.authorization
    if authorization is None:
        return Finding.true(name, "NoPolicies", "callers may do all that is served")
    doubts = summarise(Problems(tuple(each for each in warnings if is_about_policies(each))))
    if authorization.mode is PolicyMode.SHADOW:
        said = "policies decide and are written down, and deny nothing"
        return Finding.true(name, "Shadow", f"{said}; {doubts}" if doubts else said)
    return Finding.true(name, "Enforced", doubts)


def _rate_limits(facts: Facts) -> Finding:
    """Whether callers are limited as the resource says, over all pods together."""
    name = "RateLimitsEnforced"
    if facts.config is None:
        return not_rendered(name)
    limits = facts.config.config.rate_limiting
    if limits is None:
        return Finding.true(name, "NoLimits", "callers may ask as much as they like")
    if not facts.shares_sessions and facts.rollout.has_several:
        message = f"each of {facts.rollout.wanted} pods counts for itself; set sessionStorage.provider to redis"
        return Finding.false(name, "CountedByPod", message)
    reports = (each.rate_limits for each in facts.reports.reporting)
    away = next((each for each in reports if each and each.is_away), None)
    if away:
        meanwhile = f"requests are {'refused' if limits.on_store_failure is OnStoreFailure.DENY else 'let through'}"
        return Finding.false(name, STORE_AWAY, f"{away.message}; {meanwhile} meanwhile (onStoreFailure)")
    return Finding.true(name, "Enforced", "")


def _tool_configs(facts: Facts) -> Finding:
    """Whether it can be told of every backend which of its tools are served."""
    if broken := [each for each in facts.backends if each.reason in _BROKEN_TOOLS]:
        said = "; ".join(f"{each.name}: {each.message}" for each in broken)
        return Finding.false(TOOL_CONFIGS, broken[0].reason or "", f"backends that are not served: {said}")
    if facts.config is None:
        return not_rendered(TOOL_CONFIGS)
    if not any(each.tool_config_ref for each in facts.config.config.aggregation.tools):
        return Finding.true(TOOL_CONFIGS, "NoToolConfigs", "filters and overrides stand in the endpoint alone")
    return Finding.true(TOOL_CONFIGS, "ToolConfigRefsValid", "")


def _composites(facts: Facts) -> Finding:
    """Whether the composite tools that the resource refers to are served."""
    name = "CompositeToolRefsValidated"
    if facts.composites:
        return Finding.false(name, facts.composites[0].reason, say_without_tools(facts.composites))
    if facts.config is None:
        return not_rendered(name)
    if not facts.config.config.composite_tools:
        return Finding.true(name, "NoCompositeTools", "the endpoint has no composite tools")
    return Finding.true(name, "CompositeToolRefsValid", "")


def _template(facts: Facts) -> Finding:
    if facts.template_problems:
        return Finding.false("PodTemplateSpecValid", "Invalid", summarise(facts.template_problems))
    for refused in facts.refused:
        if refused.ref.kind is DEPLOYMENT and refused.is_rejected:
            return Finding.false("PodTemplateSpecValid", "Rejected", refused.message)
    return Finding.true("PodTemplateSpecValid", "Valid", "")


def _storage(facts: Facts) -> Finding:
    name = "SessionStorageReady"
    if facts.config is None:
        return not_rendered(name)
    if facts.shares_sessions:
        return _shared_storage(facts, name)
    if facts.rollout.has_several:
        return Finding.false(name, "MemoryNotShared", say_not_shared(facts))
    return Finding.true(name, "Memory", "sessions live in the memory of their pod")


def _shared_storage(facts: Facts, name: str) -> Finding:
    if not facts.reports.all:
        return Finding.unknown(name, "PodsSilent", "no pod has reported yet")
    away = next((each for each in facts.reports.all if each.store.is_away), None)
    if away:
        reason = facts.lacks.storage.reason if facts.lacks.storage else STORE_AWAY
        return Finding.false(name, reason, say_store_away(facts, away))
    if not any(each.store.is_known for each in facts.reports.all):
        return Finding.unknown(name, "StoreNotAsked", "no pod has asked Redis yet")
    return Finding.true(name, "StoreAvailable", "")


def _deployment(facts: Facts) -> Finding:
    if facts.rollout.wanted is None:
        return Finding.false("DeploymentAvailable", "NoDeployment", "there is no Deployment yet")
    return deployment_finding(facts.rollout)


def _config(facts: Facts) -> Finding:
    ready = len(facts.reports.ready)
    if facts.load_error:
        return Finding.false("ConfigLoaded", "ConfigRefused", facts.load_error)
    if not ready:
        return Finding.unknown("ConfigLoaded", "NoReadyPods", "no pod is ready")
    if facts.current_ready == ready:
        frozen = "the last good config, as the present one cannot be rendered" if facts.errors else ""
        return Finding.true("ConfigLoaded", "Frozen" if facts.errors else "Loaded", frozen)
    said = f"{facts.current_ready} of {ready} ready pods run the current config"
    return Finding.false("ConfigLoaded", "Loading", said)


def _backends(facts: Facts) -> Finding:
    starting = [each.name for each in facts.backends if each.reason == STARTING]
    down = [
        each.name for each in facts.backends if each.status is BackendHealth.UNAVAILABLE and each.name not in starting
    ]
    unknown = [each.name for each in facts.backends if each.status is BackendHealth.UNKNOWN] + starting
    if down:
        return Finding.false("BackendsReady", "BackendsUnavailable", f"not served: {', '.join(down)}")
    if unknown:
        return Finding.unknown("BackendsReady", "CheckingBackends", f"no answer yet: {', '.join(unknown)}")
    routable = sum(each.status in ROUTABLE for each in facts.backends)
    return Finding.true("BackendsReady", "AllReady" if routable else "NoBackends", "")


def _conflicts(facts: Facts) -> Finding:
    first = next(iter(facts.reports.reporting), None)
    names = sorted({each.name for each in first.conflicts}) if first else []
    if names:
        message = f"several backends claim: {', '.join(names)}; see status.conflicts"
        return Finding.true("ToolConflicts", "Conflicts", message)
    return Finding.false("ToolConflicts", "NoConflicts", "")


def _ready(facts: Facts, decided: PhaseReason) -> Finding:
    is_serving = decided.phase in (Phase.READY, Phase.DEGRADED)
    if is_serving and facts.is_loading and not facts.rollout.trouble:
        return Finding.false("Ready", CONFIG_LOADING, say_loading(facts))
    is_current = facts.current_ready and not facts.is_loading
    if is_serving and (facts.is_rolling or not is_current or decided.reason in STOPPED):
        return Finding.false("Ready", decided.reason, decided.message)
    return Finding("Ready", is_serving, decided.reason, decided.message)


def _is_own(problem: Problem) -> bool:
    return problem.subject.startswith("VirtualMCPServer/") and problem.loc != ("spec", "passthroughHeaders")
