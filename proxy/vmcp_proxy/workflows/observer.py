"""Who hears how a run goes while it goes: spans and audit events are made of it."""

from typing import TYPE_CHECKING, Final, Protocol

from vmcp_proxy.workflows.outcome import StepRecord

if TYPE_CHECKING:
    from vmcp_proxy.workflows.model import WorkflowStep


class WorkflowObserver(Protocol):
    """Hears of one run; must not raise, and holds nobody up.

    Each step that has begun is over once, also where the workflow is cancelled; those that are skipped with the rest
    (`skip_remaining`) are over without having begun. What became of the run is what `run` returns.
    """

    def began(self, run: str) -> None:
        """The run has this id (`StepRef.run`, and `workflow.id` in templates)."""

    def step_began(self, step: "WorkflowStep") -> None:
        """A step has its turn."""

    def step_over(self, step: "WorkflowStep", record: StepRecord) -> None:
        """A step is over."""


class _Nobody:
    """Hears nothing."""

    def began(self, run: str) -> None:
        """See `WorkflowObserver.began`."""

    def step_began(self, step: "WorkflowStep") -> None:
        """See `WorkflowObserver.step_began`."""

    def step_over(self, step: "WorkflowStep", record: StepRecord) -> None:
        """See `WorkflowObserver.step_over`."""


NOBODY: Final = _Nobody()
"""The observer where nobody wants to know."""
