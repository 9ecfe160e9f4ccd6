"""The engine against a direct interpretation of the graph: the same steps, and none later than needed."""

import asyncio

import pytest
from hypothesis import given, settings

from tests.proxy.workflows.graphs import ABORT, GO_ON, SKIP_REMAINING, Run, graphs, interpret
from tests.proxy.workflows.playing import Acts, Listener, play, step, text, workflow
from tests.support.examples import examples
from tests.support.virtual_time import run_virtually
from vmcp_proxy.workflows.acts import ElicitReply
from vmcp_proxy.workflows.engine import Engine
from vmcp_proxy.workflows.outcome import Completed, Failed, StepStatus

DECLINED = {"type": "elicitation", "message": "Go on?", "onDecline": {"action": "skip_remaining"}}


def spec_of(graph):
    """The graph as steps: some wait because they say so, others because their templates read of a step."""
    steps = []
    for place, node in enumerate(graph):
        reads = {f"a{need}": f"{{{{.steps.s{need}.status}}}}" for need in node.needs if need % 2}
        of_step = {"id": f"s{place}", "dependsOn": [f"s{need}" for need in node.needs if not need % 2]}
        if node.verdict is SKIP_REMAINING:
            words = " ".join(reads.values())
            steps.append({**of_step, **DECLINED, "message": f"s{place} {words}"})
            continue
        of_step |= {"tool": f"t{place}", "arguments": reads}
        if node.verdict is GO_ON and not node.time:
            of_step["condition"] = "false"
        elif node.verdict is GO_ON and place % 3 == 0:
            of_step["onError"] = {"action": "continue"}
        steps.append(of_step)
    return steps


def acts_of(graph):
    def declining(message):
        return graph[int(message.split()[0][1:])].time, ElicitReply("decline")

    fails = text("no", isError=True)
    tools = {
        f"t{place}": (node.time, fails if node.verdict is ABORT or place % 3 == 0 else text("done"))
        for place, node in enumerate(graph)
    }
    return Acts(tools, declining)


@pytest.mark.scenario("W-1", "W-3", "W-4")
@given(graphs())
@settings(max_examples=examples(100), deadline=None)
def test_the_same_steps_run_as_early_as_their_dependencies_allow(graph):
    should = interpret(graph)

    outcome = play(workflow(*spec_of(graph), maxParallel=100), acts_of(graph))

    began, ended, cancelled = {}, {}, set()
    for record in outcome.report.steps:
        place = int(record.id[1:])
        if record.status is StepStatus.SKIPPED and graph[place].time:
            continue  # left out with the rest: it never began
        if record.status is StepStatus.SKIPPED and place not in should.began:
            continue
        began[place] = record.start
        if record.status is StepStatus.CANCELLED:
            cancelled.add(place)
        else:
            ended[place] = record.start + record.seconds
    assert Run(began, ended, cancelled) == should
    has_aborted = any(graph[place].verdict is ABORT for place in ended)
    assert isinstance(outcome, Failed if has_aborted else Completed)


def test_cancelling_a_run_cancels_what_it_waits_for_and_nothing_begins_any_more():
    acts, listener, engine = Acts({"tools.a": 60, "tools.b": 60}), Listener(), Engine()
    flow = workflow(step("a"), step("b"), step("c", dependsOn=["a"]))

    async def cancelled():
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await engine.run(flow, {}, acts, listener)

    run_virtually(cancelled())

    assert sorted(acts.cancelled) == ["tools.a", "tools.b"]
    assert listener.heard[:3] == ["began", "a began", "b began"]
    assert sorted(listener.heard[3:]) == ["a cancelled", "b cancelled"]
    assert engine.running == 0
