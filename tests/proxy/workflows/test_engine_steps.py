"""What steps do: conditions, collections, questions, and the result of the whole."""

import asyncio
import json

import pytest

from tests.proxy.workflows.playing import Acts, accept, play, result, statuses, step, structured, text, workflow
from vmcp_proxy.workflows import engine
from vmcp_proxy.workflows.acts import ElicitReply, Unasked
from vmcp_proxy.workflows.engine import Engine
from vmcp_proxy.workflows.outcome import Completed, Iterations
from vmcp_proxy.workflows.pace import MOST_COST, Purse

ITEMS = {"type": "object", "properties": {"items": {}}}
CONFIRM = {
    "id": "confirm",
    "type": "elicitation",
    "message": "Deploy {{.params.what}}?",
    "schema": {"type": "object", "properties": {"sure": {"type": "boolean"}}, "required": ["sure"]},
    "timeout": "5m",
}
WHAT = {"parameters": {"type": "object", "properties": {"what": {"default": "all"}}}}


def for_each(**more):
    inner = {"tool": "tools.each", "arguments": {"x": "{{.forEach.item}}", "i": "{{.forEach.index}}"}}
    return {"id": "loop", "type": "forEach", "collection": "{{json .params.items}}", "step": inner, **more}


def each(script, items, **more):
    acts = Acts({"tools.each": script})
    flow = workflow(for_each(**more), step("after", arguments={"of": "{{.steps.loop.output}}"}), parameters=ITEMS)
    outcome = play(flow, acts, items=items)
    after = [arguments["of"] for tool, arguments in acts.calls if tool == "tools.after"]
    return acts, outcome, after[0] if after else None


@pytest.mark.scenario("W-3")
@pytest.mark.parametrize("condition", ["{{.params.on}}", "{{ params.on }}", "{{eq .params.on true}}"])
def test_a_step_whose_condition_is_false_is_skipped_and_others_see_its_default_results(condition):
    flow = workflow(
        step("a", condition=condition, defaultResults={"text": "none"}),
        step("b", arguments={"a": "{{.steps.a.output.text}}", "was": "{{.steps.a.status}}"}),
        parameters={"type": "object"},
    )
    for on, seen in ((True, {"a": "done", "was": "completed"}), (False, {"a": "none", "was": "skipped"})):
        acts = Acts()
        assert isinstance(play(flow, acts, on=on), Completed)
        assert acts.calls[-1] == ("tools.b", seen)


@pytest.mark.scenario("W-5")
def test_a_collection_is_gone_through_in_parallel_and_its_results_keep_their_order():
    acts, outcome, seen = each(lambda given: (9 - given["x"], text(f"got {given['x']}")), [1, 2, 3, 4], maxParallel=2)

    assert acts.most == 2
    assert [one["output"]["text"] for one in seen["iterations"]] == ["got 1", "got 2", "got 3", "got 4"]
    assert [(one["index"], one["item"], one["status"]) for one in seen["iterations"][:2]] == [
        (0, 1, "completed"),
        (1, 2, "completed"),
    ]
    assert (seen["count"], seen["completed"], seen["failed"]) == (4, 4, 0)
    assert outcome.report.steps[0].seconds == 8 + 5
    assert outcome.report.steps[0].iterations == Iterations(4, 4, 0)


@pytest.mark.scenario("W-5")
def test_failed_items_are_noted_or_end_the_step_and_cancel_the_others():
    def script(given):
        return (1, text("no", isError=True)) if given["x"] == 2 else 2

    acts, outcome, seen = each(script, [1, 2, 3], onError={"action": "continue"})
    assert [one["status"] for one in seen["iterations"]] == ["completed", "failed", "completed"]
    assert (seen["completed"], seen["failed"], seen["iterations"][1]["error"]) == (2, 1, "no")

    acts, outcome, seen = each(script, [1, 2, 3])
    assert outcome.text == "step 'loop' failed: item 1: no"
    assert acts.cancelled == ["tools.each", "tools.each"]
    assert outcome.report.steps[0].iterations == Iterations(3, 0, 1)


@pytest.mark.scenario("W-5")
def test_each_item_is_tried_again_by_itself():
    inner = {"tool": "tools.each", "arguments": {"x": "{{.forEach.it}}"}, "onError": {"retryCount": 2}}
    acts, outcome, _ = each([text("no", isError=True), text("yes")], [7], step=inner, itemVar="it")

    assert [ref for ref in acts.refs if ref[0] == "loop"] == [("loop", 0, 1), ("loop", 0, 2)]
    assert outcome.report.steps[0].attempts == 2


@pytest.mark.scenario("W-5")
@pytest.mark.parametrize(
    ("items", "reason"),
    [
        ("no list", "collection: it is no array, and no JSON text of one"),
        ({"a": 1}, "collection: it is no array, and no JSON text of one"),
        ([1, 2, 3, 4], "the collection has 4 items; maxIterations allows 3"),
        ([], None),
        ("[1,2]", "collection: it is no array, and no JSON text of one"),  # the text of a text
    ],
)
def test_a_collection_is_a_list_of_so_many_items(items, reason):
    acts, outcome, seen = each(text("x"), items, maxIterations=3)

    assert getattr(outcome, "reason", None) == reason
    assert reason or seen == {"iterations": [], "count": 0, "completed": 0, "failed": 0}
    assert "tools.each" not in dict(acts.calls)


def ask(*answers, **more):
    acts = Acts(answers=list(answers))
    arguments = {"sure": "{{.steps.confirm.output.content.sure}}", "said": "{{.steps.confirm.output.action}}"}
    return acts, play(workflow({**CONFIRM, **more}, step("b", arguments=arguments), step("c"), **WHAT), acts)


@pytest.mark.scenario("W-6")
def test_a_person_is_asked_and_the_answer_goes_on_typed():
    acts, outcome = ask((200, accept(sure=True)))

    assert acts.asked == ["Deploy all?"]
    assert ("tools.b", {"sure": True, "said": "accept"}) in acts.calls
    assert isinstance(outcome, Completed)


@pytest.mark.scenario("W-6")
@pytest.mark.parametrize(("action", "setting"), [("decline", "onDecline"), ("cancel", "onCancel"), (None, "onCancel")])
def test_no_answer_means_what_the_step_says(action, setting):
    answer = ElicitReply(action) if action else 1000

    _, outcome = ask(answer)
    assert outcome.step == "confirm"
    assert "declined" in outcome.reason if action == "decline" else "dismissed" in outcome.reason

    _, outcome = ask(answer, **{setting: {"action": "continue"}})
    assert outcome.text.startswith("step 'b' failed: arguments.sure: there is no 'steps.confirm.output.content'")

    acts, outcome = ask(answer, defaultResults={"content": {"sure": False}}, **{setting: {"action": "continue"}})
    assert ("tools.b", {"sure": False, "said": action or "cancel"}) in acts.calls

    acts, outcome = ask(answer, **{setting: {"action": "skip_remaining"}})
    assert statuses(outcome) == {"confirm": "completed", "b": "skipped", "c": "completed"}
    assert result(outcome)["content"] == [{"type": "text", "text": "done"}]
    assert (3, 3, "b: skipped") in acts.progress


@pytest.mark.scenario("W-6")
def test_what_runs_when_the_rest_is_skipped_finishes():
    acts = Acts({"tools.slow": 60}, [ElicitReply("decline")])
    flow = workflow(
        step("slow"),
        {**CONFIRM, "message": "?", "onDecline": {"action": "skip_remaining"}},
        step("d", dependsOn=["slow"]),
    )

    outcome = play(flow, acts)

    assert statuses(outcome) == {"slow": "completed", "confirm": "completed", "d": "skipped"}
    assert json.loads(result(outcome)["content"][0]["text"]) == {"action": "decline"}


@pytest.mark.scenario("W-6")
def test_an_answer_that_does_not_fit_is_asked_for_once_more():
    acts, outcome = ask(accept(sure="perhaps"), accept(sure=True))
    assert acts.asked[1] == (
        'Deploy all?\n\nThe last answer cannot be taken: answer.sure: the value is not of type "boolean"'
    )
    assert isinstance(outcome, Completed)

    acts, outcome = ask(accept(), accept())
    assert len(acts.asked) == 2
    assert outcome.reason == 'the answer is not what was asked for: answer: "sure" is a required property'


@pytest.mark.scenario("W-6")
def test_a_client_that_takes_no_questions_fails_the_step_as_any_failure():
    acts, outcome = ask(Unasked("the client has not declared elicitation"))
    assert outcome.text == "step 'confirm' failed: the client has not declared elicitation"

    acts, outcome = ask(
        Unasked("no"), onError={"action": "continue"}, defaultResults={"action": "none", "content": {"sure": False}}
    )
    assert ("tools.b", {"sure": False, "said": "none"}) in acts.calls


@pytest.mark.scenario("W-7")
def test_values_keep_their_types_from_result_to_argument_to_output():
    made = {"n": 3, "f": 1.5, "b": False, "l": [1, "2"], "o": {"x": None}, "s": "3"}
    flow = workflow(
        step("a"),
        step(
            "b", arguments={"all": "{{.steps.a.output}}", **{name: f"{{{{.steps.a.output.{name}}}}}" for name in made}}
        ),
        output={
            "properties": {
                "n": {"type": "integer", "value": "{{.steps.a.output.s}}"},
                "l": {"type": "array", "value": "{{json .steps.a.output.l}}"},
                "o": {"type": "object", "properties": {"b": {"type": "boolean", "value": "{{.steps.a.output.b}}"}}},
                "t": {"type": "string", "value": "{{.steps.a.output.n}} of {{.steps.a.output.f}}"},
                "d": {"type": "number", "value": "{{.steps.a.output.nothing}}", "default": 7},
                "w": {"type": "string", "value": "{{.workflow.status}} {{.workflow.step_count}}"},
            },
            "required": ["n"],
        },
    )
    acts = Acts({"tools.a": structured(**made)})

    outcome = play(flow, acts)

    assert acts.calls[1] == ("tools.b", {"all": made, **made})
    expected = {"n": 3, "l": [1, "2"], "o": {"b": False}, "t": "3 of 1.5", "d": 7, "w": "completed 2"}
    assert result(outcome)["structuredContent"] == expected
    assert json.loads(result(outcome)["content"][0]["text"]) == expected


def test_without_output_the_result_is_that_of_the_last_step_as_it_came():
    raw = text("as it came", _meta={"x": 1}, isError=False)
    flow = workflow(step("a"), step("b"), step("c", condition="false"))

    assert play(flow, Acts({"tools.b": raw, "tools.a": 5})).result is raw.raw


@pytest.mark.parametrize(
    ("of_property", "said"),
    [
        ({"type": "integer", "value": "{{.steps.a.output.text}}"}, "output.x: is no integer"),
        ({"type": "object", "value": "{{.steps.a.output.text}}"}, "output.x: is no object"),
        ({"type": "string", "value": "{{.steps.a.output.no}}"}, "output.x: there is no 'steps.a.output.no'"),
        ({"type": "object", "properties": {"y": {"type": "array", "value": "7"}}}, "output.x.y: is no array"),
    ],
)
def test_an_output_that_cannot_be_made_fails_the_workflow_unless_it_has_a_default(of_property, said):
    outcome = play(workflow(step("a"), output={"properties": {"x": of_property}}))
    assert outcome.text.partition("; ")[0] == said

    if "value" in of_property:
        default = {"integer": 1, "object": {"k": 1}, "string": "d"}[of_property["type"]]
        outcome = play(workflow(step("a"), output={"properties": {"x": {**of_property, "default": default}}}))
        assert result(outcome)["structuredContent"] == {"x": default}


def test_half_a_character_that_a_template_has_read_is_written_as_it_was():
    value = {"type": "object", "value": "{{fromJson .steps.a.output.text}}"}
    acts = Acts({"tools.a": text('{"x": "a\\ud83d"}')})

    outcome = play(workflow(step("a"), output={"properties": {"o": value}}), acts)

    assert result(outcome)["structuredContent"] == {"o": {"x": "a\ud83d"}}


@pytest.mark.parametrize(("required", "kept"), [(["x"], True), (["x", "y"], False)])
def test_a_run_that_a_person_cut_short_lacks_what_was_not_done_where_it_may(required, kept):
    value = {"type": "string", "value": "{{.steps.b.output.text}}"}
    output = {"properties": {"x": {"type": "string", "value": "{{.steps.a.status}}"}, "y": value}, "required": required}
    question = {**CONFIRM, "message": "Go on?", "onDecline": {"action": "skip_remaining"}}

    flow = workflow(step("a"), question, step("b", dependsOn=["confirm"]), output=output)
    outcome = play(flow, Acts(answers=[ElicitReply("decline")]))

    if kept:
        assert result(outcome)["structuredContent"] == {"x": "completed"}
    else:
        assert outcome.text == "output.y: is required and has no value; give it a default"


@pytest.mark.scenario("W-5")
@pytest.mark.parametrize("is_broken", [False, True])
async def test_templates_of_many_items_leave_the_loop_to_others_and_end_when_their_time_is_up(is_broken):
    """Several turns of the loop for others after each evaluation, whether or not an item ever waits."""
    heavy = "{% for a in range(1200) %}x{% endfor %}" + ("{{ params.absent }}" if is_broken else "")
    loop = {"onError": {"action": "continue"}, "maxParallel": 50, "maxIterations": 1000}
    inner = {"tool": "tools.each", "arguments": {"x": heavy}}
    flow = workflow(
        {"id": "loop", "type": "forEach", "collection": "{{ params.items }}", "step": inner, **loop}, parameters=ITEMS
    )
    turns = 0

    async def other():
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    watching = asyncio.create_task(other())
    outcome = await Engine().run(flow, {"items": [0] * 60}, Acts({"tools.each": lambda _: (0, text("y"))}))
    watching.cancel()
    assert turns >= 60 * 5
    assert outcome.report.steps[0].iterations.failed == (60 if is_broken else 0)


async def test_what_all_templates_of_a_run_may_cost_is_bounded(monkeypatch):
    # A fifth of what they may: it is some seconds of processor time.
    monkeypatch.setattr(engine, "Purse", lambda *of: Purse(*of, MOST_COST // 5))
    heavy = "{% for a in range(3000) %}x{% endfor %}"
    inner = {"tool": "tools.each", "arguments": {"x": heavy}}
    loop = {"id": "loop", "type": "forEach", "collection": "{{ params.items }}", "step": inner, "maxIterations": 1000}
    acts = Acts({"tools.each": lambda _: (0, text("y"))})
    outcome = await Engine().run(workflow(loop, parameters=ITEMS), {"items": [0] * 1000}, acts)
    assert "have taken too many steps in all" in outcome.text
    assert 10 < len(acts.calls) < 80
