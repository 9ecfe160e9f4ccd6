"""Where a VirtualMCPServer stands, decided in one order from worst to best."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from vmcp_api.config import ProxyConfig
from vmcp_api.kinds.virtualmcpserver import BackendHealth, BackendStatus
from vmcp_api.kinds.virtualmcpserver import VirtualMCPServerPhase as Phase
from vmcp_api.manifests.problems import Problem, Problems
from vmcp_api.pod_status import PodStatus
from vmcp_api.render.member import Refusal
from vmcp_api.render.reasons import Reason
from vmcp_api.spec.operational import PartialFailureMode
from vmcp_api.spec.sessions import StorageProvider
from vmcp_operator.plan.conditions import PhaseReason, summarise
from vmcp_operator.plan.kinds import SERVER
from vmcp_operator.plan.members import GROUP_INVALID, GROUP_NOT_FOUND
from vmcp_operator.plan.rollout import ROLLING_OUT, Rollout
from vmcp_operator.plan.vmcp.backends import ROUTABLE, STARTING, PodReports, left_to_start
from vmcp_operator.plan.vmcp.guard import LOST, Guard
from vmcp_operator.plan.vmcp.lacks import SecretLacks
from vmcp_operator.plan.vmcp.observability import NOT_WRITABLE
from vmcp_operator.plan.world import Refused

NONE_AVAILABLE: Final = "NoBackendAvailable"
"""Reason of an endpoint of whose backends none answers."""

CHECKING: Final = "CheckingBackends"
"""Reason of an endpoint some of whose backends have not had their time yet, and that has not served before."""

STORE_AWAY: Final = "StoreUnavailable"
"""Reason of an endpoint at which no client can begin a session."""

STOPPED: Final = frozenset({NONE_AVAILABLE, STORE_AWAY})
"""Reasons of an endpoint that runs and is of no use: it is not Ready whatever its phase (ADR-0036)."""

CONFIG_LOADING: Final = "ConfigLoading"
"""Reason of an endpoint whose pods are about to take a config over, without a rollout."""

HAVE_RUN: Final = STOPPED | {CONFIG_LOADING}
"""Reasons why an endpoint is not Ready for now whose pods have run the present generation (ADR-0036)."""

_NAMED: Final = 3
_MESSAGE_LIMIT: Final = 4096
_SILENT: Final = (
    "waiting for the pods to report on their admin port; if this lasts, let the operator's pods connect to port 9090"
)


@dataclass(frozen=True, slots=True)
class Facts:
    """What the phase is decided from; `digest` is the hash that pods should report.

    `is_awaited` says that a ready pod may yet answer for the first time, `has_served` that it did and a backend too,
    `was_ready` that the status says Ready, `has_run` that pods have run the present generation, `before` is the phase
    that the status tells.
    """

    errors: Problems
    template_problems: Problems
    refused: tuple[Refused, ...]
    rollout: Rollout
    reports: PodReports
    config: ProxyConfig | None
    digest: str | None
    now: datetime
    backends: tuple[BackendStatus, ...] = ()
    has_served: bool = False
    was_ready: bool = False
    has_run: bool = False
    before: str | None = None
    failed_servers: frozenset[str] = frozenset()
    is_awaited: bool = False
    is_group_there: bool = False
    guard: Guard = field(default_factory=Guard)
    telemetry: Refusal | None = None
    composites: tuple[Refusal, ...] = ()
    embeddings: Refusal | None = None
    audit_flaw: str | None = None
    youth: float | None = None

    @property
    def is_early(self) -> bool:
        """Whether pods, or the Deployment's controller, are yet to answer, and nothing worse is known than that."""
        is_unseen = self.was_ready and not self.rollout.is_current
        return (self.is_awaited or is_unseen) and _broken(self) is None

    @property
    def is_rolling(self) -> bool:
        """Whether the present generation, which has never been Ready, is not what all ready pods run."""
        is_there = self.rollout.is_complete and self.current_ready == len(self.reports.ready)
        return not self.has_run and not is_there

    @property
    def is_loading(self) -> bool:
        """Whether a ready pod has yet to take the present config over."""
        return any(
            report is not None and report.config_hash != self.digest and not report.load_error
            for report in self.reports.ready
        )

    @property
    def shares_sessions(self) -> bool:
        """Whether a session outlives its pod."""
        return self.config is not None and self.config.session_storage.provider is not StorageProvider.MEMORY

    @property
    def current_ready(self) -> int:
        """Ready pods that run the present config."""
        return sum(report is not None and report.config_hash == self.digest for report in self.reports.ready)

    @property
    def lacks(self) -> SecretLacks:
        """The Secret keys that pods miss or cannot use."""
        return SecretLacks.of(self.reports.reporting, self.config)

    @property
    def load_error(self) -> str | None:
        """Why a pod refuses its config."""
        said = (report.load_error.message for report in self.reports.all if report.load_error)
        return next(filter(None, said), None)


def decide_phase(facts: Facts) -> PhaseReason:
    """The first of: invalid, refused, pods in trouble, not there yet, config refused, backends, ready."""
    return _broken(facts) or _starting(facts) or _serving(facts)


def is_about_group(problem: Problem) -> bool:
    """Whether a problem lies in the reference to the group, or in the group."""
    return problem.loc[:2] == ("spec", "groupRef")


def reason_of(errors: Problems, *, is_group_there: bool) -> str:
    """The reason of a resource with these problems, by the first of them."""
    first = next(iter(errors))
    if not is_about_group(first):
        return Reason.CA_BUNDLE_NOT_FOUND if errors.may_come else "Invalid"
    if first.loc[2:] != ("name",):
        return "TooManyMembers"
    return GROUP_INVALID if is_group_there else GROUP_NOT_FOUND


def say_not_shared(facts: Facts) -> str:
    """What is so where several pods keep sessions in memory."""
    limits = facts.config.config.rate_limiting if facts.config else None
    counted = ", and each pod counts rate limits for itself" if limits else ""
    return (
        f"sessions live in the memory of their pod, and {facts.rollout.wanted} pods are wanted: a client that reaches"
        f" another one has to begin again{counted}; set sessionStorage.provider to redis, or scale to one"
    )


def _broken(facts: Facts) -> PhaseReason | None:
    return _unrendered(facts) or _refused(facts) or _in_trouble(facts)


def _unrendered(facts: Facts) -> PhaseReason | None:
    """What the resources ask for cannot be told, so that it does not become a config."""
    gap = facts.guard.gap
    if facts.errors:
        reason = reason_of(facts.errors, is_group_there=facts.is_group_there)
        message, may_come = f"{summarise(facts.errors)}{_say_kept(facts)}", facts.errors.may_come
    elif gap and facts.config is None:
        reason, message, may_come = gap.reason, gap.message, gap.may_come
    else:
        return None
    again = facts.youth if may_come else None
    return PhaseReason(Phase.PENDING if again else Phase.FAILED, reason, message, again)


def _say_kept(facts: Facts) -> str:
    """What the pods of a resource run that cannot be rendered."""
    if facts.config:
        return "; its pods keep the last good config"
    return "" if facts.rollout.wanted is None else LOST


def _refused(facts: Facts) -> PhaseReason | None:
    if facts.template_problems:
        return PhaseReason(Phase.FAILED, "PodTemplateInvalid", summarise(facts.template_problems))
    if facts.refused:
        first = facts.refused[0]
        message = f"{first.ref.kind} {first.ref.name} was refused: {first.message}"
        return PhaseReason(Phase.FAILED, "Refused", message)
    return None


def _in_trouble(facts: Facts) -> PhaseReason | None:
    trouble = facts.rollout.trouble
    if trouble is None:
        return None
    if not facts.rollout.steady:
        return PhaseReason(Phase.FAILED, trouble.reason, trouble.message, trouble.again)
    # Pods of the template before still serve while those of the new one cannot start.
    return PhaseReason(Phase.DEGRADED, trouble.reason, f"{trouble.message}; other pods serve", trouble.again)


def _starting(facts: Facts) -> PhaseReason | None:
    rollout = facts.rollout
    if rollout.wanted == 0:
        return PhaseReason(Phase.PENDING, "ScaledToZero", "scaled to zero; set replicas to serve")
    waits = rollout.waiting.reason if rollout.waiting else "PodsStarting"
    if not rollout.ready:
        return PhaseReason(Phase.PENDING, waits, rollout.progress(), rollout.again)
    if facts.is_rolling:
        said = say_loading(facts) if rollout.is_complete else rollout.progress()
        return PhaseReason(Phase.PENDING, ROLLING_OUT, said, rollout.again)
    if not any(report is not None for report in facts.reports.ready):
        return PhaseReason(Phase.PENDING, "PodsSilent", _SILENT)
    return None


def _serving(facts: Facts) -> PhaseReason:
    if facts.load_error:
        message = f"pods refuse the config and serve the last good one: {facts.load_error}"
        return PhaseReason(Phase.DEGRADED, "ConfigRefused", message)
    lacks = _away(facts) or _unguarded(facts) or _unwritten(facts) or _without_tools(facts)
    return lacks or _with_notes(facts, _once_loaded(facts, _judge_backends(facts)))


def _once_loaded(facts: Facts, judged: PhaseReason) -> PhaseReason:
    """An endpoint that lacked something is Ready again when its pods run the config that has it, not before."""
    if judged.phase is not Phase.READY or facts.before == Phase.READY or not facts.is_loading:
        return judged
    return PhaseReason(Phase.DEGRADED, CONFIG_LOADING, say_loading(facts))


def say_loading(facts: Facts) -> str:
    """How many pods run the present config."""
    ready = len(facts.reports.ready)
    return f"{facts.current_ready} of {ready} pods run the present config, the others serve with the former"


def _unwritten(facts: Facts) -> PhaseReason | None:
    """It serves without the audit log that its owner asks for."""
    return PhaseReason(Phase.DEGRADED, NOT_WRITABLE, facts.audit_flaw) if facts.audit_flaw else None


def _without_tools(facts: Facts) -> PhaseReason | None:
    """It serves without composite tools that its owner asks for."""
    if not facts.composites:
        return None
    return PhaseReason(Phase.DEGRADED, facts.composites[0].reason, say_without_tools(facts.composites))


def say_without_tools(refused: tuple[Refusal, ...]) -> str:
    """Which composite tools are not served, and why."""
    return f"composite tools are not served: {summarise(Problems(tuple(each.problem for each in refused)))}"


def _with_notes(facts: Facts, decided: PhaseReason) -> PhaseReason:
    """What stops nobody and is worth a look all the same."""
    heard = (report.issuer for report in facts.reports.ready if report)
    away = next((issuer for issuer in heard if issuer and issuer.is_away), None)
    broken = (str(each.problem) for each in (facts.telemetry, facts.embeddings) if each)
    notes = (decided.message, away.message if away else "", *broken)
    return replace(decided, message="; ".join(filter(None, notes)))


def _unguarded(facts: Facts) -> PhaseReason | None:
    """It serves on by what was in force, and what its owner asks for is not."""
    gap = facts.guard.gap
    return PhaseReason(Phase.DEGRADED, gap.reason, gap.message) if gap else None


def _judge_backends(facts: Facts) -> PhaseReason:
    if not facts.backends:
        return PhaseReason(Phase.READY, "NoBackends", "the group has no members yet; let MCPServers or entries join it")
    if checking := _checking(facts):
        return checking
    starting = [each for each in facts.backends if each.reason == STARTING]
    down = [each for each in facts.backends if each.status is BackendHealth.UNAVAILABLE and each not in starting]
    if down:
        return _degraded(facts, down)
    if facts.rollout.has_several and not facts.shares_sessions:
        return PhaseReason(Phase.DEGRADED, "SessionsNotShared", say_not_shared(facts))
    served = f"{len(facts.backends)} backend{'s' if len(facts.backends) > 1 else ''}"
    if starting:
        names = ", ".join(each.name for each in starting)[:_MESSAGE_LIMIT]
        served = f"{len(facts.backends) - len(starting)} of {served}; starting: {names}"
    return PhaseReason(Phase.READY, "Serving", f"serving {served}", _time_left(facts, starting))


def _checking(facts: Facts) -> PhaseReason | None:
    """A first apply, or a group whose members all are new: it is Pending until they had their time."""
    starting = [each for each in facts.backends if each.reason == STARTING]
    down = [each for each in facts.backends if each.status is BackendHealth.UNAVAILABLE]
    is_answered = any(each.status in ROUTABLE for each in facts.backends)
    is_first = not facts.has_served and (starting or not is_answered)
    if not is_first and (is_answered or len(down) != len(starting)):
        return None
    if not any(_may_be_starting(facts, each) for each in facts.backends):
        return None
    said = f": {_named(down)}" if down else ""
    waits = "an answer of each backend" if is_answered else "the first answer of a backend"
    return PhaseReason(Phase.PENDING, CHECKING, f"waiting for {waits}{said}", _time_left(facts, starting))


def _away(facts: Facts) -> PhaseReason | None:
    """A session store that pods do not reach: without it no client can begin a session."""
    heard = [report for report in facts.reports.ready if report is not None]
    away = [report for report in heard if report.store.is_away]
    if not away or not facts.shares_sessions:
        return None
    said = say_store_away(facts, away[0])
    if len(away) == len(heard):
        return PhaseReason(Phase.DEGRADED, STORE_AWAY, f"no client can begin a session: {said}")
    reason = "StorePartlyUnavailable"
    return PhaseReason(
        Phase.DEGRADED, reason, f"at {len(away)} of {len(heard)} pods no client can begin a session: {said}"
    )


def say_store_away(facts: Facts, report: PodStatus) -> str:
    """Why a pod does not reach the session store, and what to do."""
    if lacks := facts.lacks.storage:
        # What Redis says of a password that is none leads nobody to the Secret.
        return lacks.message
    message = report.store.message or "Redis does not answer"
    # A message with a semicolon brings its own remedy.
    return message if ";" in message else f"{message}; check sessionStorage and the Redis service"


def _time_left(facts: Facts, starting: list[BackendStatus]) -> float | None:
    """Seconds until the next of these members is no longer called starting."""
    return min((max(0.0, left_to_start(each, facts.now)) for each in starting), default=None)


def _may_be_starting(facts: Facts, backend: BackendStatus) -> bool:
    """Whether time alone may bring its first answer: not looked at yet, or a server of ours that comes up."""
    if backend.status is BackendHealth.UNKNOWN:
        return True
    is_ours = backend.kind == SERVER.name and backend.reason in (None, STARTING)
    return is_ours and backend.name not in facts.failed_servers


def _named(down: list[BackendStatus]) -> str:
    named = "; ".join(f"{each.name}: {each.message or 'does not answer'}" for each in down[:_NAMED])
    return f"{named}; and {len(down) - _NAMED} more" if len(down) > _NAMED else named


def _degraded(facts: Facts, down: list[BackendStatus]) -> PhaseReason:
    message = f"{len(down)} of {len(facts.backends)} backends not served: {_named(down)}"[:_MESSAGE_LIMIT]
    none_left = not any(each.status in ROUTABLE for each in facts.backends)
    mode = facts.config.config.operational.failure_handling.partial_failure_mode if facts.config else None
    if none_left:
        phase = Phase.FAILED if mode is PartialFailureMode.FAIL else Phase.DEGRADED
        return PhaseReason(phase, NONE_AVAILABLE, message)
    return PhaseReason(Phase.DEGRADED, "BackendsUnavailable", message)
