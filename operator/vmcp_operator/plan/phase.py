"""Where a VirtualMCPServer stands, decided in one order from worst to best."""

from dataclasses import dataclass, field
from typing import Any, Final

from vmcp_api.config import ProxyConfig
from vmcp_api.kinds.virtualmcpserver import VirtualMCPServerPhase as Phase
from vmcp_api.problems import Problems
from vmcp_api.spec.operational import PartialFailureMode
from vmcp_api.spec.sessions import StorageProvider
from vmcp_operator.plan.backends import ROUTABLE, Voices
from vmcp_operator.plan.kinds import SERVER
from vmcp_operator.plan.rollout import Rollout
from vmcp_operator.plan.standing import Standing
from vmcp_operator.plan.world import Refused

NONE_AVAILABLE: Final = "NoBackendAvailable"
"""Reason of an endpoint that serves all of its backends or none, and has none."""

_NAMED: Final = 3
_MESSAGE_LIMIT: Final = 4096
_SILENT: Final = (
    "waiting for the pods to report on their admin port; if this lasts, let the operator's pods connect to port 9090"
)


@dataclass(frozen=True, slots=True)
class Facts:
    """What the phase is decided from; `digest` is the hash that pods should report.

    `is_awaited` says that a ready pod may yet answer for the first time, `has_served` that it did and a backend too.
    """

    errors: Problems
    template_problems: Problems
    refused: tuple[Refused, ...]
    rollout: Rollout
    voices: Voices
    config: ProxyConfig | None
    digest: str | None
    backends: list[dict[str, Any]] = field(default_factory=list)
    has_served: bool = False
    failed_servers: frozenset[str] = frozenset()
    is_awaited: bool = False

    @property
    def is_early(self) -> bool:
        """Whether pods are still being asked for the first time and nothing worse is known than their silence."""
        return self.is_awaited and _broken(self) is None

    @property
    def shares_sessions(self) -> bool:
        """Whether a session outlives its pod."""
        return self.config is not None and self.config.session_storage.provider is not StorageProvider.MEMORY

    @property
    def current_ready(self) -> int:
        """Ready pods that run the present config."""
        return sum(report is not None and report.config_hash == self.digest for report in self.voices.ready)

    @property
    def load_error(self) -> str | None:
        """Why a pod refuses its config."""
        return next((report.load_error for report in self.voices.all if report.load_error), None)


def decide_phase(facts: Facts) -> Standing:
    """The first of: invalid, refused, pods in trouble, not there yet, config refused, backends, ready."""
    return _broken(facts) or _starting(facts) or _serving(facts)


def summarise(problems: Problems) -> str:
    """Problems as one line."""
    return "; ".join(map(str, problems))[:_MESSAGE_LIMIT]


def say_not_shared(facts: Facts) -> str:
    """What is so where several pods keep sessions in memory."""
    return (
        f"sessions live in the memory of their pod, and {facts.rollout.wanted} pods are wanted: a client that reaches"
        " another one has to begin again; set sessionStorage.provider to redis, or scale to one"
    )


def _broken(facts: Facts) -> Standing | None:
    if facts.errors:
        kept = "; its pods keep the last good config" if facts.config else ""
        return Standing(Phase.FAILED, "Invalid", f"{summarise(facts.errors)}{kept}")
    if facts.template_problems:
        return Standing(Phase.FAILED, "PodTemplateInvalid", summarise(facts.template_problems))
    if facts.refused:
        first = facts.refused[0]
        message = f"{first.ref.kind} {first.ref.name} was refused: {first.message}"
        return Standing(Phase.FAILED, "Refused", message)
    trouble = facts.rollout.trouble
    if trouble is None:
        return None
    # Pods of the template before still serve while those of the new one cannot start.
    phase = Phase.DEGRADED if facts.rollout.ready else Phase.FAILED
    return Standing(phase, trouble.reason, trouble.message)


def _starting(facts: Facts) -> Standing | None:
    rollout = facts.rollout
    if rollout.wanted == 0:
        return Standing(Phase.PENDING, "ScaledToZero", "scaled to zero; set replicas to serve")
    if not rollout.ready:
        return Standing(Phase.PENDING, "PodsStarting", f"waiting for pods: 0 of {rollout.wanted or 1} ready")
    if not any(report is not None for report in facts.voices.ready):
        return Standing(Phase.PENDING, "PodsSilent", _SILENT)
    return None


def _serving(facts: Facts) -> Standing:
    if facts.load_error:
        message = f"pods refuse the config and serve the last good one: {facts.load_error}"
        return Standing(Phase.DEGRADED, "ConfigRefused", message)
    if not facts.backends:
        return Standing(Phase.READY, "NoBackends", "the group has no members yet; let MCPServers or entries join it")
    down = [each for each in facts.backends if each["status"] == "unavailable"]
    is_answered = any(each["status"] in ROUTABLE for each in facts.backends)
    if not facts.has_served and not is_answered and any(_may_be_starting(facts, each) for each in facts.backends):
        said = f": {_named(down)}" if down else ""
        return Standing(Phase.PENDING, "CheckingBackends", f"waiting for the first answer of a backend{said}")
    if down:
        return _degraded(facts, down)
    if facts.rollout.has_several and not facts.shares_sessions:
        return Standing(Phase.DEGRADED, "SessionsNotShared", say_not_shared(facts))
    served = f"{len(facts.backends)} backend{'s' if len(facts.backends) > 1 else ''}"
    return Standing(Phase.READY, "Serving", f"serving {served}")


def _may_be_starting(facts: Facts, backend: dict[str, Any]) -> bool:
    """Whether time alone may bring its first answer: not looked at yet, or a server of ours that comes up."""
    if backend["status"] == "unknown":
        return True
    is_ours = backend["kind"] == SERVER.name and "reason" not in backend
    return is_ours and backend["name"] not in facts.failed_servers


def _named(down: list[dict[str, Any]]) -> str:
    named = "; ".join(f"{each['name']}: {each.get('message', 'does not answer')}" for each in down[:_NAMED])
    return f"{named}; and {len(down) - _NAMED} more" if len(down) > _NAMED else named


def _degraded(facts: Facts, down: list[dict[str, Any]]) -> Standing:
    message = f"{len(down)} of {len(facts.backends)} backends not served: {_named(down)}"[:_MESSAGE_LIMIT]
    none_left = not any(each["status"] in ROUTABLE for each in facts.backends)
    mode = facts.config.config.operational.failure_handling.partial_failure_mode if facts.config else None
    if none_left and mode is PartialFailureMode.FAIL:
        return Standing(Phase.FAILED, NONE_AVAILABLE, message)
    return Standing(Phase.DEGRADED, "BackendsUnavailable", message)
