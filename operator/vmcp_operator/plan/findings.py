"""The conditions of a VirtualMCPServer."""

from vmcp_api.kinds.virtualmcpserver import VirtualMCPServerPhase as Phase
from vmcp_api.problems import Problem, Problems
from vmcp_api.render.reasons import Reason
from vmcp_operator.plan.backends import ROUTABLE
from vmcp_operator.plan.conditions import Finding
from vmcp_operator.plan.kinds import DEPLOYMENT
from vmcp_operator.plan.phase import Facts, say_not_shared, summarise
from vmcp_operator.plan.standing import Standing


def vmcp_findings(facts: Facts, standing: Standing, warnings: Problems) -> tuple[Finding, ...]:
    """Every condition, in a fixed order."""
    return (
        _valid(facts, warnings),
        _group(facts),
        _session_exposed(warnings),
        _secrets(facts),
        _template(facts),
        _storage(facts),
        _deployment(facts),
        _config(facts),
        _backends(facts),
        _conflicts(facts),
        _ready(facts, standing),
    )


def _valid(facts: Facts, warnings: Problems) -> Finding:
    errors = Problems(tuple(each for each in facts.errors if not _is_group(each)))
    if errors:
        return Finding.false("Valid", "Invalid", summarise(errors))
    own = Problems(tuple(each for each in warnings if _is_own(each)))
    return Finding.true("Valid", "Valid", summarise(own))


def _group(facts: Facts) -> Finding:
    errors = Problems(tuple(each for each in facts.errors if _is_group(each)))
    if errors:
        is_missing = any(each.loc[2:] == ("name",) for each in errors)
        reason = "GroupNotFound" if is_missing else "TooManyMembers"
        return Finding.false("GroupRefValidated", reason, summarise(errors))
    return Finding.true("GroupRefValidated", "GroupFound", "the group exists")


def _session_exposed(warnings: Problems) -> Finding:
    exposed = Problems(tuple(each for each in warnings if each.loc == ("spec", "passthroughHeaders")))
    if exposed:
        return Finding.true("SessionIdIsCredential", "AnonymousPassthrough", summarise(exposed))
    return Finding.false("SessionIdIsCredential", "NotExposed", "")


def _secrets(facts: Facts) -> Finding:
    speakers = facts.voices.speakers
    missing = sorted({name for report in speakers for name in report.missing_secrets})
    if missing:
        message = f"Secret keys are not there: {', '.join(missing)}; create them, the pods take them over"
        return Finding.false("AuthConfigured", "SecretNotFound", message)
    backends = (each for report in speakers for each in report.backends)
    invalid = sorted({each.message for each in backends if each.reason == Reason.SECRET_INVALID})
    if invalid:
        return Finding.false("AuthConfigured", Reason.SECRET_INVALID, "; ".join(invalid))
    return Finding.true("AuthConfigured", "Configured", "")


def _template(facts: Facts) -> Finding:
    if facts.template_problems:
        return Finding.false("PodTemplateSpecValid", "Invalid", summarise(facts.template_problems))
    for refused in facts.refused:
        if refused.ref.kind is DEPLOYMENT and refused.is_rejected:
            return Finding.false("PodTemplateSpecValid", "Rejected", refused.message)
    return Finding.true("PodTemplateSpecValid", "Valid", "")


def _storage(facts: Facts) -> Finding:
    name = "SessionStorageReady"
    if not facts.shares_sessions:
        if facts.rollout.has_several:
            return Finding.false(name, "MemoryNotShared", say_not_shared(facts))
        return Finding.true(name, "Memory", "sessions live in the memory of their pod")
    if not facts.voices.all:
        return Finding.unknown(name, "PodsSilent", "no pod has reported yet")
    away = next((each for each in facts.voices.all if not each.store_available), None)
    if away:
        message = away.store_message or "Redis does not answer"
        # A message with a semicolon brings its own remedy.
        remedy = "" if ";" in message else "; check sessionStorage and the Redis service"
        return Finding.false(name, "StoreUnavailable", f"{message}{remedy}")
    if not any(each.store_known for each in facts.voices.all):
        return Finding.unknown(name, "StoreNotAsked", "no pod has asked Redis yet")
    return Finding.true(name, "StoreAvailable", "")


def _deployment(facts: Facts) -> Finding:
    rollout = facts.rollout
    if rollout.trouble:
        return Finding("DeploymentAvailable", rollout.ready > 0, rollout.trouble.reason, rollout.trouble.message)
    if rollout.wanted is None:
        return Finding.false("DeploymentAvailable", "NoDeployment", "there is no Deployment yet")
    said = f"{rollout.ready} of {rollout.wanted} pods ready"
    return Finding("DeploymentAvailable", rollout.ready > 0, "Available" if rollout.ready else "PodsStarting", said)


def _config(facts: Facts) -> Finding:
    ready = len(facts.voices.ready)
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
    down = [each["name"] for each in facts.backends if each["status"] == "unavailable"]
    unknown = [each["name"] for each in facts.backends if each["status"] == "unknown"]
    if down:
        return Finding.false("BackendsReady", "BackendsUnavailable", f"not served: {', '.join(down)}")
    if unknown:
        return Finding.unknown("BackendsReady", "CheckingBackends", f"no answer yet: {', '.join(unknown)}")
    routable = sum(each["status"] in ROUTABLE for each in facts.backends)
    return Finding.true("BackendsReady", "AllReady" if routable else "NoBackends", "")


def _conflicts(facts: Facts) -> Finding:
    first = next(iter(facts.voices.speakers), None)
    names = sorted({each.name for each in first.conflicts}) if first else []
    if names:
        message = f"several backends claim: {', '.join(names)}; see status.conflicts"
        return Finding.true("ToolConflicts", "Conflicts", message)
    return Finding.false("ToolConflicts", "NoConflicts", "")


def _ready(facts: Facts, standing: Standing) -> Finding:
    is_serving = standing.phase in (Phase.READY, Phase.DEGRADED)
    if is_serving and not facts.current_ready:
        return Finding.false("Ready", "ConfigLoading", "no ready pod runs the current config yet")
    return Finding("Ready", is_serving, standing.reason, standing.message)


def _is_group(problem: Problem) -> bool:
    return problem.loc[:2] == ("spec", "groupRef")


def _is_own(problem: Problem) -> bool:
    return problem.subject.startswith("VirtualMCPServer/") and problem.loc != ("spec", "passthroughHeaders")
