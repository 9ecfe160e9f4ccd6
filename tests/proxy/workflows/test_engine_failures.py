"""What becomes of a workflow when steps fail: abort, continue, retry, timeouts, and what is left of it."""

import asyncio

import pytest

from tests.proxy.workflows.playing import Acts, failure, play, result, statuses, step, structured, text, workflow
from tests.support.virtual_time import run_virtually
from vmcp_proxy.workflows.acts import FailureKind
from vmcp_proxy.workflows.bounds import MOST_RUNNING
from vmcp_proxy.workflows.engine import Engine
from vmcp_proxy.workflows.outcome import Busy, Completed, Failed, TimedOut

BROKEN = text("the disk is full", isError=True)
RETRY = {"action": "retry", "retryCount": 3, "retryDelay": "1s"}
pytestmark = pytest.mark.scenario("W-4")


def test_a_failed_step_ends_the_workflow_and_cancels_what_runs():
    acts = Acts({"tools.bad": (1, BROKEN), "tools.slow": 60})

    outcome = play(workflow(step("slow"), step("bad"), step("after", dependsOn=["bad"])), acts)

    assert isinstance(outcome, Failed)
    assert outcome.text == "step 'bad' failed: the disk is full"
    assert acts.cancelled == ["tools.slow"]
    assert statuses(outcome) == {"slow": "cancelled", "bad": "failed"}
    assert outcome.report.seconds == 1


@pytest.mark.parametrize(
    ("of_step", "of_flow", "goes_on"),
    [
        ({}, {}, False),
        ({}, {"failureMode": "continue"}, True),
        ({"onError": {"action": "continue"}}, {}, True),
        ({"onError": {"action": "abort"}}, {"failureMode": "continue"}, False),
        ({"onError": RETRY}, {}, False),
        ({"onError": RETRY}, {"failureMode": "continue"}, True),
        ({"onError": {**RETRY, "fallback": "continue"}}, {}, True),
        ({"onError": {**RETRY, "fallback": "abort"}}, {"failureMode": "continue"}, False),
    ],
)
def test_a_failure_means_what_the_step_says_else_what_the_workflow_says(of_step, of_flow, goes_on):
    arguments = {"was": "{{.steps.bad.status}}: {{.steps.bad.error}}", "got": "{{.steps.bad.output.text}}"}
    flow = workflow(
        step("bad", defaultResults={"text": "nothing"}, **of_step), step("after", arguments=arguments), **of_flow
    )
    acts = Acts({"tools.bad": BROKEN})

    outcome = play(flow, acts)

    assert isinstance(outcome, Completed) is goes_on
    after = ("tools.after", {"was": "failed: the disk is full", "got": "nothing"})
    assert (after in acts.calls) is goes_on


@pytest.mark.parametrize(
    ("on_error", "script", "attempts", "seconds"),
    [
        ({}, [BROKEN, text("fine")], 1, 0),
        (RETRY, [BROKEN, text("fine")], 2, 1),
        (RETRY, [BROKEN, failure(), text("fine")], 3, 1 + 2),
        (RETRY, [failure(kind=FailureKind.TIMEOUT)], 4, 1 + 2 + 4),
        ({**RETRY, "retryDelay": "40s"}, [BROKEN], 4, 40 + 60 + 60),
        (RETRY, [failure(kind=FailureKind.LIMITED, retry_after=9), text("fine")], 2, 9),
        ({"action": "abort", "maxRetries": 1}, [BROKEN, text("fine")], 2, 1),
        (RETRY, [failure(kind=FailureKind.DENIED)], 1, 0),
        (RETRY, [failure(kind=FailureKind.UNKNOWN)], 1, 0),
        (RETRY, [failure(kind=FailureKind.INVALID)], 1, 0),
        (RETRY, [failure(kind=FailureKind.REFUSED), text("fine")], 2, 1),
    ],
)
def test_what_another_attempt_may_mend_is_tried_again_later_each_time(on_error, script, attempts, seconds):
    acts = Acts({"tools.a": list(script)})

    outcome = play(workflow(step("a", onError=on_error)), acts)

    assert acts.refs == [("a", None, attempt) for attempt in range(1, attempts + 1)]
    assert outcome.report.steps[0].attempts == attempts
    assert outcome.report.seconds == seconds
    assert isinstance(outcome, Completed) is (script[-1] == text("fine") and attempts == len(script))


def test_no_attempt_is_waited_for_that_would_come_too_late():
    outcome = play(
        workflow(step("a", timeout="30s", onError={**RETRY, "retryDelay": "40s"})), Acts({"tools.a": BROKEN})
    )

    assert outcome.reason == "the disk is full (there was no time left to try again)"
    assert outcome.report.seconds == 0


def test_the_time_of_a_step_counts_all_its_attempts_and_ends_it_alone():
    flow = workflow(
        step("a", timeout="5s", onError={**RETRY, "fallback": "continue"}), step("b", dependsOn=["a"]), timeout="1h"
    )
    acts = Acts({"tools.a": [BROKEN, 60]})

    outcome = play(flow, acts)

    first, second = outcome.report.steps
    assert (first.status, first.error, first.attempts, first.seconds) == ("failed", "timed out after 5s", 2, 5)
    assert second.status == "completed"
    assert acts.cancelled == ["tools.a"]


def test_the_time_of_a_workflow_ends_all_of_it_and_says_what_did_not_end():
    flow = workflow(step("a"), step("b", dependsOn=["a"]), step("c"), step("d", dependsOn=["b"]), timeout="10s")
    acts = Acts({"tools.a": 4, "tools.b": 60, "tools.c": 60})

    outcome = play(flow, acts)

    assert isinstance(outcome, TimedOut)
    assert outcome.text == "timed out after 10s; b, c did not end in time"
    assert sorted(acts.cancelled) == ["tools.b", "tools.c"]
    assert statuses(outcome) == {"a": "completed", "b": "cancelled", "c": "cancelled"}


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"x": "{{.steps.a.output.nothing}}"}, "arguments.x: there is no 'steps.a.output.nothing'"),
        ({"x": "{{ steps.a.output.nothing }}"}, "arguments.x: there is no 'steps.a.output.nothing'"),
        ({"x": {"y": ["a {{.steps.a.output.no}}"]}}, "arguments.x.y[0]: there is no 'steps.a.output.no'"),
    ],
)
def test_what_a_template_reads_and_is_not_there_fails_the_step_and_calls_nothing(arguments, reason):
    acts = Acts({"tools.a": structured(some=1)})

    outcome = play(workflow(step("a"), step("b", arguments=arguments)), acts)

    assert (outcome.step, outcome.reason) == ("b", reason)
    assert [tool for tool, _ in acts.calls] == ["tools.a"]


def test_a_condition_that_is_neither_true_nor_false_fails_the_step():
    outcome = play(workflow(step("a", condition="{{.params.n}}"), parameters={"type": "object"}), n=3)

    assert outcome.text.startswith("step 'a' failed: condition: a condition must be true or false")


def test_results_are_held_within_a_bound_for_each_workflow_and_given_back():
    engine = Engine(most_held=1500)
    flow = workflow(
        step("a"),
        step("b", dependsOn=["a"]),
        output={"properties": {"x": {"type": "string", "value": "{{ steps.a.output.text }}{{ steps.b.output.text }}"}}},
    )
    large = text("x" * 600)

    for _ in range(2):
        outcome = play(flow, Acts({"tools.a": large, "tools.b": large}), engine)
        assert outcome.step == "b"
        assert outcome.reason == (
            "the results of the steps take more memory, with what its steps gave, than a workflow may have"
        )


def test_more_workflows_than_may_run_at_once_are_told_to_come_again():
    engine = Engine(most_running=0)

    assert play(workflow(step("a")), engine=engine) == Busy(retry_after=5)


def test_one_caller_cannot_take_more_than_a_quarter_of_the_places():
    engine = Engine()
    flow, quarter = workflow(step("a")), MOST_RUNNING // 4

    async def crowd():
        one = [engine.run(flow, {}, Acts({"tools.a": (60, text("done"))})) for _ in range(quarter + 2)]
        return await asyncio.gather(*one, engine.run(flow, {}, Acts(holder="other")))

    *outcomes, others = run_virtually(crowd())
    assert sum(outcome == Busy(5) for outcome in outcomes) == 2
    assert isinstance(others, Completed)
    assert isinstance(play(flow, engine=engine), Completed)


def test_callers_that_take_all_they_may_leave_places_to_those_that_come_later():
    engine, flow = Engine(), workflow(step("a"))

    async def crowd():
        greedy = [
            engine.run(flow, {}, Acts({"tools.a": (60, text("done"))}, holder=f"greedy {caller}"))
            for caller in range(6)
            for _ in range(MOST_RUNNING // 4)
        ]
        return await asyncio.gather(*greedy, engine.run(flow, {}, Acts(holder="late")))

    *greedy, late = run_virtually(crowd())
    ran = [sum(isinstance(each, Completed) for each in greedy[n * 64 : n * 64 + 64]) for n in range(6)]
    assert ran == [64, 64, 64, 32, 16, 8]
    assert isinstance(late, Completed)
    assert engine.running == 0


def test_arguments_are_filled_in_and_checked_before_anything_runs():
    parameters = {
        "type": "object",
        "properties": {
            "n": {"type": "integer", "default": 3},
            "of": {
                "type": "object",
                "properties": {"x": {"default": []}, "y": {"pattern": "^[a-z]+$", "type": "string"}},
            },
        },
        "required": ["of"],
        "additionalProperties": False,
    }
    flow = workflow(step("a", arguments={"n": "{{.params.n}}", "of": "{{.params.of}}"}), parameters=parameters)
    acts = Acts()

    faults = {
        'arguments: "of" is a required property': {},
        'arguments.of.y: the value is not of type "string"': {"of": {"y": 1}},
        "arguments: Additional properties are not allowed ('z' was unexpected)": {"of": {}, "z": 1},
        "arguments: hold what cannot be checked: too many levels, or half a character": {"of": {"y": "\ud83d"}},
    }
    for said, arguments in faults.items():
        assert play(flow, acts, **arguments).about("arguments") == said
    assert acts.calls == []
    play(flow, acts, of={"y": "z"})
    assert acts.calls == [("tools.a", {"n": 3, "of": {"x": [], "y": "z"}})]


def test_a_workflow_without_parameters_takes_no_arguments():
    assert "were unexpected" in play(workflow(step("a")), x=1, y=2).about("arguments")


def test_steps_hold_to_the_bound_of_the_workflow():
    acts = Acts({f"tools.s{place}": 1 for place in range(9)})

    outcome = play(workflow(*(step(f"s{place}") for place in range(9)), maxParallel=4), acts)

    assert (acts.most, outcome.report.seconds) == (4, 3)
    assert acts.progress[0] == (1, 9, "s0: completed")
    assert [done for done, _, _ in acts.progress] == list(range(1, 10))
    assert result(outcome)["content"] == [{"type": "text", "text": "done"}]
