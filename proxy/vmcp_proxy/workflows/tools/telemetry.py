"""Counts and traces runs of workflows: a decorator of whatever runs them, made at composition (ADR-0051)."""

import asyncio
import time
from typing import Final, Protocol

from vmcp_proxy.backends.errors import CANCELLED
from vmcp_proxy.observability.tracing.spans import Attributes, InternalSpan, PassedTrace
from vmcp_proxy.workflows.acts import Acts, Arguments, FailureKind
from vmcp_proxy.workflows.engine import WorkflowRunner
from vmcp_proxy.workflows.model import Workflow, WorkflowStep
from vmcp_proxy.workflows.observer import NOBODY, WorkflowObserver
from vmcp_proxy.workflows.outcome import Busy, Completed, Failed, Outcome, StepRecord, TimedOut
from vmcp_proxy.workflows.parameters import Invalid
from vmcp_proxy.workflows.tools.acts import CallActs
from vmcp_proxy.workflows.tools.audit import STEP_FAILED, error_of

_WORKFLOW: Final = "vmcp.workflow"
_BUSY: Final = "busy"


class WorkflowCounts(Protocol):
    """Counts runs (`observability.metrics.Metrics`)."""

    def on_workflow(self, workflow: str, seconds: float, *, is_error: bool) -> None:
        """Counts one run that is over."""


class Instrumented:
    """A `WorkflowRunner` that counts runs, and has spans for them where their request is recorded.

    Runs that a client cancels are no errors; arguments that do not fit begin no run.
    """

    def __init__(self, inner: WorkflowRunner, counts: WorkflowCounts) -> None:
        self._inner: Final = inner
        self._counts: Final = counts

    async def run(
        self, workflow: Workflow, arguments: Arguments, acts: Acts, observer: WorkflowObserver = NOBODY
    ) -> Outcome:
        """See `WorkflowRunner.run`."""
        span = None
        trace = acts.trace if isinstance(acts, CallActs) else None
        if isinstance(acts, CallActs) and trace is not None and not isinstance(trace, PassedTrace):
            attributes: Attributes = {f"{_WORKFLOW}.name": workflow.name, f"{_WORKFLOW}.steps": len(workflow.steps)}
            span = trace.inner(f"workflow {workflow.name}", attributes)
            observer = _StepSpans(observer, acts, span)
        began = time.perf_counter()
        outcome: Outcome | None = None
        error = ""
        try:
            outcome = await self._inner.run(workflow, arguments, acts, observer)
            error = _error_of(outcome)
        except asyncio.CancelledError:
            error = CANCELLED
            raise
        except Exception as crash:
            error = type(crash).__name__
            raise
        finally:
            if not isinstance(outcome, Invalid):
                is_error = error not in ("", CANCELLED)
                self._counts.on_workflow(workflow.name, time.perf_counter() - began, is_error=is_error)
            if span is not None:
                span.end(error)
        return outcome


class _StepSpans:
    """Has a span for each step, and its calls below it."""

    def __init__(self, inner: WorkflowObserver, acts: CallActs, parent: InternalSpan) -> None:
        self._inner: Final = inner
        self._acts: Final = acts
        self._parent: Final = parent
        self._spans: Final[dict[str, InternalSpan]] = {}
        self._run = ""

    def began(self, run: str) -> None:
        """See `WorkflowObserver.began`."""
        self._run = run
        self._inner.began(run)

    def step_began(self, step: WorkflowStep) -> None:
        """See `WorkflowObserver.step_began`."""
        attributes: Attributes = {
            f"{_WORKFLOW}.run": self._run,
            f"{_WORKFLOW}.step.id": step.id,
            f"{_WORKFLOW}.step.type": step.type.value,
        }
        span = self._spans[step.id] = self._parent.inner(f"step {step.id}", attributes)
        self._acts.trace_step(step.id, span)
        self._inner.step_began(step)

    def step_over(self, step: WorkflowStep, record: StepRecord) -> None:
        """See `WorkflowObserver.step_over`; one that is skipped with the rest has not begun, and has no span."""
        span = self._spans.pop(step.id, None)
        if span is not None:
            told: Attributes = {"status": record.status.value, "attempts": record.attempts}
            span.end(error_of(record, self._acts), {f"{_WORKFLOW}.step.{name}": value for name, value in told.items()})
        self._inner.step_over(step, record)


def _error_of(outcome: Outcome) -> str:
    match outcome:
        case Completed():
            return ""
        case Failed():
            return STEP_FAILED
        case TimedOut():
            return FailureKind.TIMEOUT.value
        case Busy():
            return _BUSY
        case Invalid():
            return FailureKind.INVALID.value
