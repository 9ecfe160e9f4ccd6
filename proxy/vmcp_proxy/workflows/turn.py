"""One step as it is carried out: its condition, then its calls or its question, within its time."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import msgspec

from vmcp_api.base import Json
from vmcp_api.templates import Budget, Template, TemplateError
from vmcp_api.text.durations import format_duration
from vmcp_proxy.workflows.acts import FINAL, Acts, ElicitAction, StepRef, ToolFailure, ToolReply, Unasked
from vmcp_proxy.workflows.bounds import Held, pause_before
from vmcp_proxy.workflows.model import ForEach, Question, ToolCall, WorkflowStep
from vmcp_proxy.workflows.outcome import Iterations, StepStatus
from vmcp_proxy.workflows.pace import Found, Pace, Purse
from vmcp_proxy.workflows.parameters import first_fault
from vmcp_proxy.workflows.reasons import explained
from vmcp_proxy.workflows.results import ToolError, Values, read_result
from vmcp_proxy.workflows.schedule import Verdict
from vmcp_proxy.workflows.weight import read_json, weight_of_values

Scope: TypeAlias = Mapping[str, object]

_LATE: Final = "there was no time left to try again"
_MOST_ASKED: Final = 2
"""How often a question is asked: once more where the answer does not fit."""

_NO_ANSWER: Final[dict[ElicitAction, str]] = {
    "decline": "the question was declined",
    "cancel": "the question was dismissed, or not answered in time",
}


@dataclass(frozen=True, slots=True)
class World:
    """What the steps of one run share: `now` is the loop's clock, `jitter` draws between 0 and what it is given."""

    run: str
    acts: Acts
    held: Held
    pace: Pace
    purse: Purse
    now: Callable[[], float]
    jitter: Callable[[float], float]

    async def evaluate(self, make: Callable[[Budget], Found]) -> Found:
        """See `Pace.evaluate`."""
        return await self.pace.evaluate(make, self.purse, lambda: self.held.room)

    def weight_of(self, value: object) -> int:
        """Bytes that a value takes, as far as it matters to the run."""
        return weight_of_values(value, self.held.room)


class Ending(msgspec.Struct, frozen=True):
    """What became of a step: `output` and `content` as templates see them, `verdict` what it means for the others.

    `result` is the one of the tool as it came, where there is one.
    """

    status: StepStatus
    output: Mapping[str, Json] = {}
    content: Mapping[str, Json] = {}
    error: str = ""
    verdict: Verdict = Verdict.GO_ON
    result: bytes | msgspec.Raw | None = None
    iterations: Iterations | None = None


class Turn:
    """A step that has its turn; `attempts` counts the calls and questions that it made so far."""

    def __init__(self, step: WorkflowStep, scope: Scope, world: World) -> None:
        self.attempts = 0
        self._step: Final = step
        self._scope: Final = scope
        self._world: Final = world
        self._deadline: Final = world.now() + step.seconds

    async def take(self) -> Ending:
        """Carries the step out; whatever goes wrong is an ending, but for cancellation."""
        step = self._step
        try:
            async with asyncio.timeout_at(self._deadline) as bound:
                return await self._act()
        except TemplateError as error:
            return self._failed(explained(error, self._scope))
        except TimeoutError:
            if not bound.expired():
                raise
        if isinstance(step.act, Question):
            return self._unanswered(step.act, "cancel")
        return self._failed(f"timed out after {format_duration(step.seconds)}")

    async def _act(self) -> Ending:
        step = self._step
        condition = step.condition
        if condition is not None and not await self._evaluate(condition.truth, "condition"):
            return Ending(StepStatus.SKIPPED, step.defaults)
        match step.act:
            case ToolCall():
                return await self._tool(step.act)
            case ForEach():
                return await self._for_each(step.act)
            case Question():
                return await self._ask(step.act)

    async def _evaluate(self, template: Callable[[Scope, Budget], Found], field: str) -> Found:
        try:
            return await self._world.evaluate(lambda budget: template(self._scope, budget))
        except TemplateError as error:
            raise error.within(field) from None

    async def _tool(self, call: ToolCall) -> Ending:
        found = await self._call(call, self._scope)
        if isinstance(found, ToolError):
            return self._failed(found.reason)
        return Ending(StepStatus.COMPLETED, found.output, found.content, result=found.raw)

    async def _for_each(self, act: ForEach) -> Ending:
        items = await self._evaluate(lambda scope, budget: _items(act.collection, scope, budget), "collection")
        if len(items) > act.most:
            return self._failed(f"the collection has {len(items)} items; maxIterations allows {act.most}")
        with self._world.held.holding(self._world.weight_of(items), "its items"):
            return await self._iterate_all(act, items)

    async def _iterate_all(self, act: ForEach, items: list[Any]) -> Ending:
        done: list[dict[str, Json]] = [{}] * len(items)
        places = iter(range(len(items)))

        async def work() -> None:
            for place in places:
                seen = done[place] = await self._iterate(act, place, items[place])
                if ends_all and "error" in seen:
                    raise _IterationError(f"item {place}: {seen['error']}")

        ends_all = self._step.failed is Verdict.ABORT
        reason = ""
        try:
            async with asyncio.TaskGroup() as workers:
                for _ in range(min(act.parallel, len(items))):
                    workers.create_task(work())
        except* _IterationError as errors:
            reason = str(errors.exceptions[0])
        went = _count(done)
        if reason:
            return msgspec.structs.replace(self._failed(reason), iterations=went)
        output: dict[str, Json] = {"iterations": done, **msgspec.structs.asdict(went)}
        return Ending(StepStatus.COMPLETED, output, iterations=went)

    async def _iterate(self, act: ForEach, place: int, item: Json) -> dict[str, Json]:
        """What templates see of one item, as ToolHive's do: `error` only where there is one."""
        scope = {**self._scope, "forEach": {act.item: item, "index": place}}
        try:
            found = await self._call(act.call, scope, place)
        except TemplateError as error:
            found = ToolError(explained(error, scope))
        seen: dict[str, Json] = {"index": place, "item": item}
        if isinstance(found, ToolError):
            return {**seen, "status": StepStatus.FAILED.value, "output": {}, "error": found.reason}
        return {**seen, "status": StepStatus.COMPLETED.value, "output": found.output}

    async def _call(self, call: ToolCall, scope: Scope, place: int | None = None) -> Values | ToolError:
        """Calls a tool, again where that may help, and reads what it gave."""
        arguments = await self._world.evaluate(lambda budget: call.arguments.value(scope, budget))
        held, weight = self._world.held, self._world.weight_of(arguments)
        held.take_for(weight, "its arguments")
        try:
            return await self._attempts(call, arguments, place)
        finally:
            held.take(-weight)

    async def _attempts(self, call: ToolCall, arguments: Any, place: int | None) -> Values | ToolError:
        world, attempt = self._world, 0
        while True:
            attempt += 1
            self.attempts += 1
            ref = StepRef(world.run, self._step.id, place, attempt)
            reply = await world.acts.call_tool(ref, call.tool, arguments, self._deadline - world.now())
            found = self._read(reply)
            if not isinstance(found, ToolError) or attempt > call.retries or _is_final(reply):
                return found
            pause = pause_before(attempt, call.delay, reply if isinstance(reply, ToolFailure) else None, world.jitter)
            if world.now() + pause >= self._deadline:
                return ToolError(f"{found.reason} ({_LATE})")
            await asyncio.sleep(pause)

    def _read(self, reply: ToolReply) -> Values | ToolError:
        if isinstance(reply, ToolFailure):
            return ToolError(reply.text)
        found = read_result(reply.raw, self._step.reads, self._world.held)
        if isinstance(found, Values):
            self._world.held.take(found.weight)
        return found

    async def _ask(self, act: Question) -> Ending:
        message = _text(await self._evaluate(act.message.value, "message"))
        asked, wrong = message, ""
        for attempt in range(1, _MOST_ASKED + 1):
            self.attempts = attempt
            ref = StepRef(self._world.run, self._step.id, attempt=attempt)
            reply = await self._world.acts.ask(ref, asked, act.schema, self._deadline - self._world.now())
            if isinstance(reply, Unasked):
                return self._failed(reply.text)
            if reply.action != "accept":
                return self._unanswered(act, reply.action)
            fault = first_fault(act.validator, reply.content)
            if fault is None:
                if lack := self._world.held.lack(reply.weight):
                    return self._failed(f"the answer takes {lack}")
                self._world.held.take(reply.weight)
                return Ending(StepStatus.COMPLETED, {"action": reply.action, "content": reply.content})
            wrong = fault.about("answer")
            asked = f"{message}\n\nThe last answer cannot be taken: {wrong}"
        return self._failed(f"the answer is not what was asked for: {wrong}")

    def _unanswered(self, act: Question, action: ElicitAction) -> Ending:
        verdict = act.declined if action == "decline" else act.cancelled
        if verdict is Verdict.ABORT:
            return Ending(StepStatus.FAILED, error=_NO_ANSWER[action], verdict=verdict)
        return Ending(StepStatus.COMPLETED, {**self._step.defaults, "action": action}, verdict=verdict)

    def _failed(self, reason: str) -> Ending:
        return Ending(StepStatus.FAILED, self._step.defaults, error=reason, verdict=self._step.failed)


class _IterationError(Exception):
    """The call for an item has failed, which ends the step."""


def _text(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _items(collection: Template, scope: Scope, budget: Budget) -> list[Any]:
    """The items of a collection: an array, or the JSON text of one, as ToolHive's `json` makes it.

    Raises:
        TemplateError: it is neither.
    """
    value = collection.value(scope, budget)
    found = read_json(value, budget) if isinstance(value, str) else value
    if not isinstance(found, list):
        raise TemplateError("it is no array, and no JSON text of one")
    return found


def _count(done: list[dict[str, Json]]) -> Iterations:
    states = [each.get("status") for each in done]
    return Iterations(len(done), states.count(StepStatus.COMPLETED.value), states.count(StepStatus.FAILED.value))


def _is_final(reply: ToolReply) -> bool:
    return isinstance(reply, ToolFailure) and reply.kind in FINAL
