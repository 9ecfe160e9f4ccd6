"""Runs workflows: asks the schedule which steps begin, carries them out side by side, makes one result (ADR-0051)."""

import asyncio
import random
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final, Protocol
from uuid import uuid4

import msgspec

from vmcp_api.base import Json
from vmcp_api.templates import TemplateError
from vmcp_api.text.durations import format_duration
from vmcp_proxy.core.shares import Shares
from vmcp_proxy.workflows.acts import Acts, Arguments
from vmcp_proxy.workflows.bounds import MOST_HELD, MOST_HELD_IN_ALL, MOST_RUNNING, Held, places
from vmcp_proxy.workflows.model import Workflow, WorkflowStep
from vmcp_proxy.workflows.observer import NOBODY, WorkflowObserver
from vmcp_proxy.workflows.outcome import (
    Busy,
    Completed,
    Failed,
    Outcome,
    Report,
    StepRecord,
    StepStatus,
    TimedOut,
)
from vmcp_proxy.workflows.output import OutputError
from vmcp_proxy.workflows.pace import Pace, Purse
from vmcp_proxy.workflows.parameters import Invalid
from vmcp_proxy.workflows.reasons import explained
from vmcp_proxy.workflows.results import encode_json, structured_result, weight_of_result
from vmcp_proxy.workflows.schedule import Schedule, Verdict
from vmcp_proxy.workflows.turn import Ending, Scope, Turn, World
from vmcp_proxy.workflows.weight import weight_of_values

_RETRY_AFTER: Final = 5
_MILLISECONDS: Final = 1000


class WorkflowRunner(Protocol):
    """Runs workflows: the engine, and what wraps it."""

    async def run(
        self, workflow: Workflow, arguments: Arguments, acts: Acts, observer: WorkflowObserver = NOBODY
    ) -> Outcome:
        """Runs one for these arguments; cancelling it cancels all that it does."""


def _full_jitter(seconds: float) -> float:
    return random.uniform(0, seconds)  # noqa: S311 - spreads attempts in time


class Engine:
    """Runs workflows, so many at once; tests give it their own bounds and their own `jitter`."""

    def __init__(
        self,
        most_running: int = MOST_RUNNING,
        most_held: int = MOST_HELD,
        jitter: Callable[[float], float] = _full_jitter,
        most_held_in_all: int = MOST_HELD_IN_ALL,
    ) -> None:
        self._most_running: Final = most_running
        self._places: Final = places(most_running)
        self._most_held: Final = most_held
        self._jitter: Final = jitter
        self._shelf: Final = Shares(most_held_in_all, MOST_HELD)
        self._pace: Final = Pace()

    @property
    def running(self) -> int:
        """The runs that are going on."""
        return self._most_running - self._places.left

    @property
    def left(self) -> int:
        """The bytes that all runs may still hold."""
        return self._shelf.left

    async def run(
        self, workflow: Workflow, arguments: Arguments, acts: Acts, observer: WorkflowObserver = NOBODY
    ) -> Outcome:
        """See `WorkflowRunner.run`."""
        params = workflow.parameters.read(arguments)
        if isinstance(params, Invalid):
            return params
        holder = acts.holder
        if not self._places.room(holder):
            return Busy(_RETRY_AFTER)
        now = asyncio.get_running_loop().time
        held = Held(self._shelf, holder, self._most_held)
        weight = weight_of_values(params, self._most_held)
        if weight > self._most_held:
            return Invalid("", "take more memory than a workflow may have")
        if weight > held.room:
            return Busy(_RETRY_AFTER)
        held.take(weight)
        run = str(uuid4())
        world = World(run, acts, held, self._pace, Purse(holder, run), now, self._jitter)
        self._places.take(holder, 1)
        try:
            return await _Run(workflow, params, world, observer).outcome()
        finally:
            self._places.take(holder, -1)
            held.give_back()


class _Run:
    """One run: all of its state, and the tasks that belong to it."""

    def __init__(self, workflow: Workflow, params: Arguments, world: World, observer: WorkflowObserver) -> None:
        self._workflow: Final = workflow
        self._world: Final = world
        self._observer: Final = observer
        self._schedule: Final = Schedule(workflow.plan, workflow.parallel)
        self._group: Final = asyncio.TaskGroup()
        self._tasks: Final[dict[int, asyncio.Task[None]]] = {}
        self._endings: Final[dict[int, Ending]] = {}
        self._records: Final[dict[int, StepRecord]] = {}
        self._seen: Final[dict[str, Json]] = {}
        self._culprit: int | None = None
        self._began: Final = world.now()
        self._start: Final = datetime.now(UTC)
        self._base: Final[dict[str, object]] = {"params": params, "steps": self._seen}

    async def outcome(self) -> Outcome:
        """Runs all steps that come to their turn, within the time of the workflow."""
        self._observer.began(self._world.run)
        try:
            async with asyncio.timeout(self._workflow.seconds):
                async with self._group:
                    self._begin(self._schedule.begin())
                if self._schedule.verdict is Verdict.SKIP_REMAINING:
                    await self._skip_remaining()
        except TimeoutError:
            if self._culprit is None:
                return self._timed_out()
        if self._culprit is not None:
            step = self._workflow.steps[self._culprit]
            return Failed(step.id, self._endings[self._culprit].error, self._report())
        return await self._completed()

    def _begin(self, places: list[int]) -> None:
        for place in places:
            self._tasks[place] = self._group.create_task(self._step(place))

    async def _step(self, place: int) -> None:
        step = self._workflow.steps[place]
        began = self._world.now()
        turn = Turn(step, self._scope(step), self._world)
        self._observer.step_began(step)
        ending = Ending(StepStatus.CANCELLED)
        try:
            ending = await turn.take()
        finally:
            self._record(place, began, turn.attempts, ending)
        self._over(place, ending)
        await self._tell_progress(step, ending)

    def _over(self, place: int, ending: Ending) -> None:
        """Takes note of what became of a step, and starts or cancels what follows from it."""
        self._see(place, ending)
        self._begin(self._schedule.over(place, ending.verdict))
        if ending.verdict is Verdict.ABORT and self._culprit is None:
            self._culprit = place
            for other in self._schedule.running:
                self._tasks[other].cancel()

    def _see(self, place: int, ending: Ending) -> None:
        self._endings[place] = ending
        self._seen[self._workflow.steps[place].id] = {
            "status": ending.status.value,
            "output": ending.output,
            "content": ending.content,
            "error": ending.error,
        }

    def _record(self, place: int, began: float, attempts: int, ending: Ending) -> None:
        step = self._workflow.steps[place]
        record = StepRecord(
            step.id,
            step.type,
            ending.status,
            attempts,
            began - self._began,
            self._world.now() - began,
            ending.error,
            ending.iterations,
        )
        self._records[place] = record
        self._observer.step_over(step, record)

    async def _tell_progress(self, step: WorkflowStep, ending: Ending) -> None:
        total = len(self._workflow.steps)
        await self._world.acts.progressed(len(self._endings), total, f"{step.id}: {ending.status.value}")

    def _scope(self, step: WorkflowStep) -> Scope:
        return self._clocked("running") if step.needs_clock else self._base

    def _clocked(self, status: str) -> Scope:
        """The scope with what changes while the workflow runs."""
        completed = sum(ending.status is StepStatus.COMPLETED for ending in self._endings.values())
        workflow = {
            "id": self._world.run,
            "name": self._workflow.name,
            "status": status,
            "start_time": _written(self._start),
            "duration_ms": int((self._world.now() - self._began) * _MILLISECONDS),
            "step_count": completed,
        }
        return {**self._base, "workflow": workflow, "timestamp": _written(datetime.now(UTC))}

    async def _completed(self) -> Outcome:
        output = self._workflow.output
        if output is None:
            return self._result_of(self._last_output())
        is_cut = self._schedule.verdict is Verdict.SKIP_REMAINING
        scope = self._clocked("completed")
        try:
            built = await self._world.evaluate(lambda budget: output.build(scope, budget, is_cut=is_cut))
        except OutputError as error:
            return Failed("", str(error), self._report())
        except TemplateError as error:
            return Failed("", explained(error, scope), self._report())
        return self._result_of(built)

    def _result_of(self, made: Mapping[str, Json] | bytes | msgspec.Raw) -> Completed | Failed:
        """The result as it came, or made of values while there is room for what that takes."""
        if not isinstance(made, Mapping):
            return Completed(made, self._report())
        text = encode_json(made)
        try:
            with self._world.held.holding(weight_of_result(text), "the values of the result"):
                return Completed(structured_result(text), self._report())
        except TemplateError as error:
            return Failed("", str(error), self._report())

    async def _skip_remaining(self) -> None:
        for place, step in enumerate(self._workflow.steps):
            if place not in self._endings:
                ending = Ending(StepStatus.SKIPPED, step.defaults)
                self._see(place, ending)
                self._record(place, self._world.now(), 0, ending)
                await self._tell_progress(step, ending)

    def _last_output(self) -> Mapping[str, Json] | bytes | msgspec.Raw:
        """What the last step in the order of the file gave that has completed; nothing where none has."""
        for place in sorted(self._endings, reverse=True):
            ending = self._endings[place]
            if ending.status is StepStatus.COMPLETED:
                return ending.output if ending.result is None else ending.result
        return {}

    def _timed_out(self) -> TimedOut:
        steps = [record.id for _, record in sorted(self._records.items()) if record.status is StepStatus.CANCELLED]
        running = f"; {', '.join(steps)} did not end in time" if steps else ""
        return TimedOut(f"timed out after {format_duration(self._workflow.seconds)}{running}", self._report())

    def _report(self) -> Report:
        steps = tuple(record for _, record in sorted(self._records.items()))
        return Report(self._world.run, self._world.now() - self._began, steps)


def _written(time: datetime) -> str:
    return time.isoformat(timespec="seconds").replace("+00:00", "Z")
