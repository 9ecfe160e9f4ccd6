"""What became of a run: typed values for whoever asked, with a record of each step for those who want to know why."""

from enum import StrEnum
from typing import TypeAlias

import msgspec

from vmcp_api.spec.composite import StepType
from vmcp_proxy.workflows.parameters import Invalid


class StepStatus(StrEnum):
    """What became of a step, in the words that templates read (`steps.<id>.status`)."""

    COMPLETED = "completed"
    FAILED = "failed"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"
    """The workflow ended while it ran: no template sees it."""


class Iterations(msgspec.Struct, frozen=True, gc=False):
    """How a `forEach` went, by the calls of its items."""

    count: int
    completed: int
    failed: int


class StepRecord(msgspec.Struct, frozen=True, gc=False):
    """One step that is over, without arguments and results: `start` counts from the start of the run, in seconds.

    `attempts` are calls of a tool or questions, `error` the reason of a failure, also of one that did no harm.
    """

    id: str
    type: StepType
    status: StepStatus
    attempts: int
    start: float
    seconds: float
    error: str = ""
    iterations: Iterations | None = None


class Report(msgspec.Struct, frozen=True, gc=False):
    """How a run went: steps in the order of the file, without those that never had their turn."""

    run: str
    seconds: float
    steps: tuple[StepRecord, ...]


class Completed(msgspec.Struct, frozen=True, gc=False):
    """A `CallToolResult` as raw JSON: a step's as it came, or one that was put together."""

    result: bytes | msgspec.Raw
    report: Report


class Failed(msgspec.Struct, frozen=True, gc=False):
    """A step ended the workflow, or its output could not be made (`step` is empty then)."""

    step: str
    reason: str
    report: Report

    @property
    def text(self) -> str:
        """What the caller reads."""
        return f"step {self.step!r} failed: {self.reason}" if self.step else self.reason


class TimedOut(msgspec.Struct, frozen=True, gc=False):
    """The time of the workflow was up: these steps were running."""

    text: str
    report: Report


class Busy(msgspec.Struct, frozen=True, gc=False):
    """As many workflows run in this process as may; `retry_after` is in seconds."""

    retry_after: int


Outcome: TypeAlias = Completed | Failed | TimedOut | Invalid | Busy
"""What a call of a composite tool comes to; the last two before anything was done."""
