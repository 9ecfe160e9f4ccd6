"""Workflows against a world that answers by a script, in virtual time."""

import asyncio
import json
from dataclasses import dataclass, field

from tests.support.virtual_time import run_virtually
from vmcp_api.spec.composite import CompositeTool
from vmcp_proxy.workflows.acts import ElicitReply, FailureKind, ToolFailure, ToolResult
from vmcp_proxy.workflows.engine import Engine
from vmcp_proxy.workflows.model import compile_workflow
from vmcp_proxy.workflows.outcome import Outcome


def workflow(*steps, **more):
    """A workflow of these steps, compiled."""
    spec = {"name": "flow", "description": "A workflow.", "steps": list(steps), **more}
    return compile_workflow(CompositeTool.model_validate(spec, by_alias=True, by_name=False))


def step(id_, tool="", **more):
    return {"id": id_, "tool": tool or f"tools.{id_}", **more}


def text(said, **more):
    return ToolResult(json.dumps({"content": [{"type": "text", "text": said}], **more}).encode())


def structured(**members):
    return text(json.dumps(members), structuredContent=members)


def failure(text_="the backend is away", kind=FailureKind.UNAVAILABLE, retry_after=None):
    return ToolFailure(kind, text_, retry_after)


def accept(**content):
    return ElicitReply("accept", content)


@dataclass
class Acts:
    """Answers calls by tool, and questions; a list is one answer after the other, the last one for ever.

    An answer is a reply, the seconds until one, both as a pair, or a function of the arguments that gives any of them.
    """

    tools: dict = field(default_factory=dict)
    answers: list = field(default_factory=list)
    calls: list = field(default_factory=list)
    refs: list = field(default_factory=list)
    asked: list = field(default_factory=list)
    progress: list = field(default_factory=list)
    cancelled: list = field(default_factory=list)
    running: int = 0
    most: int = 0
    holder: str = "one"

    async def call_tool(self, ref, tool, arguments, seconds):
        self.calls.append((tool, arguments))
        self.refs.append((ref.step, ref.iteration, ref.attempt))
        assert seconds > 0
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            return await self._reply(self.tools.get(tool, text("done")), arguments)
        except asyncio.CancelledError:
            self.cancelled.append(tool)
            raise
        finally:
            self.running -= 1

    async def ask(self, ref, message, schema, seconds):
        self.asked.append(message)
        return await self._reply(self.answers, message)

    async def progressed(self, done, total, message):
        self.progress.append((done, total, message))

    async def _reply(self, script, given):
        if isinstance(script, list):
            script = script.pop(0) if len(script) > 1 else script[0]
        if callable(script):
            script = script(given)
        if isinstance(script, int | float):
            script = (script, text("done"))
        seconds, reply = script if isinstance(script, tuple) else (0, script)
        if seconds:
            await asyncio.sleep(seconds)
        return reply


@dataclass
class Listener:
    """Notes what an observer hears."""

    heard: list = field(default_factory=list)

    def began(self, run):
        self.heard.append("began")

    def step_began(self, step):
        self.heard.append(f"{step.id} began")

    def step_over(self, step, record):
        self.heard.append(f"{record.id} {record.status}")


def play(flow, acts=None, engine=None, **arguments) -> Outcome:
    """What a run comes to."""
    engine = engine or Engine(jitter=lambda most: most)
    return run_virtually(engine.run(flow, arguments, acts or Acts()))


def result(outcome):
    """The result of a run as JSON."""
    return json.loads(bytes(outcome.result))


def statuses(outcome):
    return {record.id: str(record.status) for record in outcome.report.steps}
