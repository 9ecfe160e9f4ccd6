"""What a status says of its resource: a phase with its reason, and conditions with the time of their last change."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from vmcp_api.kinds.status import Condition, ConditionStatus
from vmcp_api.manifests.problems import Problems
from vmcp_operator.plan.rollout import Rollout

_MESSAGE_LIMIT: Final = 32768

MESSAGE_LIMIT: Final = 4096
"""Characters that a status takes for its message."""

_STANDING: Final = frozenset({"ScaledToZero"})
"""Reasons of what is Pending and on its way nowhere."""

_WITHOUT_PHASE: Final = frozenset({"Valid", "Registered"})
_PHASES: Final = {ConditionStatus.TRUE: "Valid", ConditionStatus.FALSE: "Failed", ConditionStatus.UNKNOWN: "Pending"}


@dataclass(frozen=True, slots=True)
class PhaseReason:
    """A phase with its stable reason and words for a person; what an Event is made of.

    `again` is in seconds: when time alone may have changed it.
    """

    phase: str
    reason: str
    message: str
    again: float | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """One observation; `holds` None means that nobody can tell yet."""

    type: str
    holds: bool | None
    reason: str
    message: str = ""

    @classmethod
    def true(cls, name: str, reason: str, message: str = "") -> "Finding":
        """What is observed is so."""
        return cls(name, holds=True, reason=reason, message=message)

    @classmethod
    def false(cls, name: str, reason: str, message: str = "") -> "Finding":
        """What is observed is not so."""
        return cls(name, holds=False, reason=reason, message=message)

    @classmethod
    def unknown(cls, name: str, reason: str, message: str = "") -> "Finding":
        """Nobody can tell yet."""
        return cls(name, holds=None, reason=reason, message=message)


def deployment_finding(rollout: Rollout) -> Finding:
    """Whether pods serve, and what those lack that do not."""
    name = "DeploymentAvailable"
    if rollout.trouble:
        return Finding(name, rollout.steady > 0, rollout.trouble.reason, rollout.trouble.message)
    waits = rollout.waiting if rollout.waiting and rollout.waiting.message else None
    said = f"{rollout.ready} of {rollout.wanted or 0} pods ready"
    text = f"{said}; {waits.message}" if waits else said
    if rollout.ready:
        return Finding.true(name, "Available", text)
    return Finding.false(name, waits.reason if waits else "PodsStarting", text)


def summarise(problems: Problems) -> str:
    """Problems as one line."""
    return "; ".join(map(str, problems))[:MESSAGE_LIMIT]


def phase_of(status: Mapping[str, Any]) -> str | None:
    """The phase that a status tells; of a kind without phases, what its `Valid` or `Registered` amounts to."""
    if phase := status.get("phase"):
        return str(phase)
    valid = next((each["status"] for each in status.get("conditions") or () if each["type"] in _WITHOUT_PHASE), None)
    return _PHASES.get(valid) if valid else None


def ready_generation(status: Mapping[str, Any]) -> int | None:
    """The generation of which a status says that it is Ready; None where it says so of none."""
    for each in status.get("conditions") or ():
        if each["type"] == "Ready" and each["status"] == "True":
            return int(each.get("observedGeneration", 0))
    return None


def build_conditions(
    findings: Iterable[Finding],
    live: Iterable[Mapping[str, Any]],
    now: datetime,
    generation: int,
    decided: PhaseReason | None = None,
) -> tuple[Condition, ...]:
    """Conditions for a status; one whose `status` stays keeps the time of its last change.

    What was decided brings `Stalled` or `Reconciling`, which are there only while they hold (kstatus, ADR-0036).
    """
    before = {each["type"]: each for each in live}
    told = (*findings, *(_for_machines(decided) if decided else ()))
    return tuple(_build(finding, before.get(finding.type), now, generation) for finding in told)


def _for_machines(decided: PhaseReason) -> tuple[Finding, ...]:
    """What a program that waits has to know: time alone will not help, or it is on its way."""
    if decided.phase == "Failed":
        return (Finding.true("Stalled", decided.reason, decided.message),)
    if decided.phase == "Pending" and decided.reason not in _STANDING:
        return (Finding.true("Reconciling", decided.reason, decided.message),)
    return ()


def format_time(moment: datetime) -> str:
    """RFC 3339 with seconds, as the API server writes times."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def format_micro_time(moment: datetime) -> str:
    """A `MicroTime` of Kubernetes; the moment is in UTC."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _build(finding: Finding, before: Mapping[str, Any] | None, now: datetime, generation: int) -> Condition:
    status = {True: ConditionStatus.TRUE, False: ConditionStatus.FALSE, None: ConditionStatus.UNKNOWN}[finding.holds]
    kept = before is not None and before.get("status") == status
    return Condition(
        type=finding.type,
        status=status,
        reason=finding.reason,
        message=finding.message[:_MESSAGE_LIMIT],
        last_transition_time=before["lastTransitionTime"] if kept and before else format_time(now),
        observed_generation=generation,
    )
