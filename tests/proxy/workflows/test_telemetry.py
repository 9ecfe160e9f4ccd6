"""The decorator that counts and traces runs, against what it has written in memory."""

import asyncio
from types import SimpleNamespace

import pytest

from tests.proxy.workflows.playing import step, workflow
from vmcp_proxy.auth.identity import ANONYMOUS
from vmcp_proxy.core.outcomes import Unknown
from vmcp_proxy.core.virtual import Caller, Operation
from vmcp_proxy.observability.metrics import Metrics, families
from vmcp_proxy.observability.tracing.propagation import NOTHING
from vmcp_proxy.observability.tracing.spans import PassedTrace, RecordedTrace
from vmcp_proxy.protocol.kinds import Kind
from vmcp_proxy.workflows.arguments import InputShapes
from vmcp_proxy.workflows.engine import Engine
from vmcp_proxy.workflows.outcome import Busy, Completed, Failed, Report
from vmcp_proxy.workflows.parameters import Invalid
from vmcp_proxy.workflows.tools.acts import CallActs
from vmcp_proxy.workflows.tools.call import CompositeCall
from vmcp_proxy.workflows.tools.telemetry import Instrumented

pytestmark = pytest.mark.scenario("W-11")

FLOW = workflow(step("a"), step("b", dependsOn=["a"], condition="false"))
NO_REPORT = Report("run", 0.0, ())


class Runs:
    """Runs nothing, and ends as it is told."""

    def __init__(self, outcome):
        self.outcome = outcome
        self.given = []

    async def run(self, *given):
        self.given.append(given)
        if isinstance(self.outcome, BaseException):
            raise self.outcome
        return self.outcome


class Memory(list):
    """An output of spans."""

    def write(self, span):
        self.append(span)


class Silent:
    """The core and the exchange of steps that all are answered by `reply`."""

    takes_messages = False

    async def resolve(self, caller, operation):
        return None

    async def perform(self, caller, operation, resolved, exchange):
        return Unknown(Kind.TOOL, operation.name)


def acts_of(trace):
    operation = Operation("tools/call", Kind.TOOL, "flow", b'{"name":"flow"}', trace=trace)
    silent = Silent()
    caller = Caller(ANONYMOUS, SimpleNamespace(itself=silent))
    return CallActs(silent, caller, silent, CompositeCall.of(operation), InputShapes(), "flow")


def counts(metrics):
    found = {each.family: dict(each.values) for each in metrics.snapshot().measured()}
    executions, errors = found[families.WORKFLOW_EXECUTIONS], found[families.WORKFLOW_ERRORS]
    durations = {key: seen.count for key, seen in found[families.WORKFLOW_DURATION].items()}
    assert durations == executions
    return executions.get(("flow",), 0), errors.get(("flow",), 0)


@pytest.mark.parametrize(
    ("outcome", "executions", "errors", "word"),
    [
        (Completed(b"{}", NO_REPORT), 1, 0, ""),
        (Failed("a", "disk full", NO_REPORT), 1, 1, "step_failed"),
        (Busy(5), 1, 1, "busy"),
        (Invalid("x", "is no text"), 0, 0, "invalid"),
        (asyncio.CancelledError(), 1, 0, "cancelled"),
        (ZeroDivisionError(), 1, 1, "ZeroDivisionError"),
    ],
)
async def test_runs_are_counted_and_passed_on_as_they_are(outcome, executions, errors, word):
    metrics, memory, inner = Metrics(), Memory(), Runs(outcome)
    acts = acts_of(RecordedTrace(NOTHING, 1, memory, 1))
    run = Instrumented(inner, metrics).run(FLOW, {"x": 1}, acts)
    if isinstance(outcome, BaseException):
        with pytest.raises(type(outcome)):
            await run
    else:
        assert await run is outcome
    [(flow, arguments, passed, _)] = inner.given
    assert (flow, arguments, passed) == (FLOW, {"x": 1}, acts)
    assert counts(metrics) == (executions, errors)
    [span] = memory
    assert (span.name, span.kind, span.error) == ("workflow flow", "internal", word)


async def test_a_step_has_a_span_below_that_of_its_workflow_with_its_error():
    memory = Memory()
    trace = RecordedTrace(NOTHING, 1, memory, 1)
    outcome = await Instrumented(Engine(), Metrics()).run(FLOW, {}, acts_of(trace))
    assert isinstance(outcome, Failed)
    first, whole = memory
    assert (first.name, first.error, first.parent) == ("step a", "unknown", whole.span)
    assert first.attributes["vmcp.workflow.step.status"] == "failed"
    assert first.attributes["vmcp.workflow.run"] == outcome.report.run
    assert (whole.name, whole.error, whole.parent) == ("workflow flow", "step_failed", trace.span_id)
    assert "there is no such tool" not in repr(memory)


@pytest.mark.parametrize("trace", [None, PassedTrace(NOTHING, 1)])
async def test_without_a_recorded_trace_there_are_no_spans_and_nothing_is_put_between(trace):
    metrics, inner, observer = Metrics(), Runs(Completed(b"{}", NO_REPORT)), object()
    acts = acts_of(trace)
    await Instrumented(inner, metrics).run(FLOW, {}, acts, observer)
    assert inner.given == [(FLOW, {}, acts, observer)]
    assert acts._traces == {}
    assert counts(metrics) == (1, 0)
