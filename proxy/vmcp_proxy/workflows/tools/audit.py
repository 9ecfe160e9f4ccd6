"""What the audit hears of a run: one event for each step that is over, and one for the run."""

import asyncio
from typing import Final

from vmcp_proxy.backends.errors import CANCELLED
from vmcp_proxy.core.virtual import Exchange, WorkflowEvent
from vmcp_proxy.observability.audit import Outcome as AuditOutcome
from vmcp_proxy.observability.audit import Reason, WorkflowPart, WorkflowType
from vmcp_proxy.workflows.acts import FailureKind
from vmcp_proxy.workflows.model import WorkflowStep
from vmcp_proxy.workflows.outcome import Completed, Failed, Outcome, StepRecord, StepStatus, TimedOut
from vmcp_proxy.workflows.tools.acts import CallActs
from vmcp_proxy.workflows.tools.definition import Definition

STEP_FAILED: Final = "step_failed"
"""What failed for another reason than the call of a tool: a template, a question, its time."""

TOOL_ERROR: Final = "tool_error"

_STEPS: Final = {
    StepStatus.COMPLETED: WorkflowType.STEP_COMPLETED,
    StepStatus.FAILED: WorkflowType.STEP_FAILED,
    StepStatus.SKIPPED: WorkflowType.STEP_SKIPPED,
    StepStatus.CANCELLED: WorkflowType.STEP_FAILED,
}
_OUTCOMES: Final = {
    "": AuditOutcome.SUCCESS,
    FailureKind.DENIED.value: AuditOutcome.DENIED,
    FailureKind.UNKNOWN.value: AuditOutcome.FAILURE,
    FailureKind.INVALID.value: AuditOutcome.FAILURE,
    FailureKind.REFUSED.value: AuditOutcome.APPLICATION_ERROR,
    TOOL_ERROR: AuditOutcome.APPLICATION_ERROR,
}


def error_of(record: StepRecord, acts: CallActs) -> str:
    """A word for what went wrong with a step, empty where nothing did; nothing of what anybody has said."""
    if record.status is StepStatus.CANCELLED:
        return CANCELLED
    if record.status is not StepStatus.FAILED:
        return ""
    note = acts.notes.get(record.id)
    return STEP_FAILED if note is None else note.error or TOOL_ERROR


class AuditedRun:
    """A `WorkflowObserver` that hands on what it hears to the call's exchange, under the name of the definition."""

    def __init__(self, definition: Definition, acts: CallActs, exchange: Exchange) -> None:
        self._name: Final = definition.tool.name
        self._authorizes: Final = definition.tool.authorize_steps
        self._acts: Final = acts
        self._exchange: Final = exchange
        self._run = ""

    def began(self, run: str) -> None:
        """See `WorkflowObserver.began`."""
        self._run = run
        self._tell(WorkflowType.STARTED, "", 0.0)

    def step_began(self, step: WorkflowStep) -> None:
        """See `WorkflowObserver.step_began`."""

    def step_over(self, step: WorkflowStep, record: StepRecord) -> None:
        """See `WorkflowObserver.step_over`."""
        error = error_of(record, self._acts)
        note = self._acts.notes.get(step.id)
        self._exchange.ran(
            WorkflowEvent(
                type=_STEPS[record.status],
                outcome=_OUTCOMES.get(error, AuditOutcome.ERROR),
                reason=Reason.CANCELLED if error == CANCELLED else None,
                workflow=WorkflowPart(self._name, self._run, step.id, record.attempts, error, self._authorizes),
                seconds=record.seconds,
                tool="" if note is None else note.tool,
                backend="" if note is None else note.backend,
                decision=None if note is None else note.decision,
            )
        )

    def broke(self, end: BaseException, seconds: float) -> None:
        """Tells that the run was cancelled, or that something crashed."""
        if self._run:
            is_cancelled = isinstance(end, asyncio.CancelledError)
            self._tell(WorkflowType.FAILED, CANCELLED if is_cancelled else type(end).__name__, seconds)

    def over(self, outcome: Outcome, seconds: float) -> None:
        """Tells what became of the run; nothing of one that did not begin."""
        match outcome:
            case Completed():
                self._tell(WorkflowType.COMPLETED, "", seconds)
            case Failed():
                self._tell(WorkflowType.FAILED, STEP_FAILED, seconds)
            case TimedOut():
                self._tell(WorkflowType.TIMED_OUT, FailureKind.TIMEOUT.value, seconds)

    def _tell(self, kind: WorkflowType, error: str, seconds: float) -> None:
        self._exchange.ran(
            WorkflowEvent(
                type=kind,
                outcome=AuditOutcome.ERROR if error else AuditOutcome.SUCCESS,
                reason=Reason.CANCELLED if error == CANCELLED else None,
                workflow=WorkflowPart(self._name, self._run, error=error, authorizes_steps=self._authorizes),
                seconds=seconds,
            )
        )
