"""What is said of a step that lacks what another step should have given."""

import pytest

from tests.proxy.workflows.playing import Acts, failure, play, step, structured, text, workflow
from vmcp_proxy.workflows.reasons import MOST_REASON

pytestmark = pytest.mark.scenario("W-4")

GOES_ON = {"onError": {"action": "continue"}}
LACKING = "there is no 'steps.a.output.title'"
TEXT_ALONE = "step 'a' gave text and no structured content: read JSON in it by fromJson .steps.a.output.text"


def read_by_step(template="{{ steps.a.output.title }}"):
    return {"steps": [step("b", arguments={"t": [template]})]}


def read_by_output(template="{{ steps.a.output.title }}"):
    return {"steps": [], "output": {"properties": {"t": {"type": "string", "value": template}}}}


READERS = [
    (read_by_step(), "arguments.t[0]"),
    (read_by_step("{{.steps.a.output.title.x}}"), "arguments.t[0]"),
    (read_by_step("to {{ steps.a.output.title | upper }}"), "arguments.t[0]"),
    (read_by_output(), "output.t"),
    ({"steps": [step("b", condition="{{ steps.a.output.title }}")]}, "condition"),
    ({"steps": [{"id": "b", "type": "elicitation", "message": "{{.steps.a.output.title}}?"}]}, "message"),
    (
        {"steps": [{"id": "b", "type": "forEach", "collection": "{{.steps.a.output.title}}", "step": {"tool": "t.t"}}]},
        "collection",
    ),
]


@pytest.mark.parametrize(("reader", "place"), READERS)
@pytest.mark.parametrize(
    ("first", "answer", "why"),
    [
        (GOES_ON, failure("disk full"), "step 'a' failed: disk full"),
        ({**GOES_ON, "defaultResults": {"x": 1}}, text("disk full", isError=True), "step 'a' failed: disk full"),
        ({"condition": "false"}, text(""), "step 'a' was skipped"),
        ({}, text('{"title": "T"}'), TEXT_ALONE),
        ({}, structured(other=1), ""),
        ({}, structured(result="{}"), "step 'a' gave structured content: read steps.a.output.result"),
        ({}, text("x", content=[]), ""),
    ],
)
def test_the_place_is_named_and_what_became_of_the_step_that_it_reads(reader, place, first, answer, why):
    steps = [step("a", **first), *reader["steps"]]
    outcome = play(workflow(*steps, **{k: v for k, v in reader.items() if k != "steps"}), Acts({"tools.a": answer}))

    assert outcome.reason == f"{place}: {LACKING}" + (f"; {why}" if why else "")


@pytest.mark.parametrize(
    ("template", "answer", "why"),
    [
        ("output.text", structured(result="{}"), "read steps.a.output.result or steps.a.content.text"),
        ("output.text", structured(title="T"), "read steps.a.content.text"),
        ("output.text_1", structured(title="T"), ""),
        (
            "output.result.title",
            structured(result='{"title": 1}'),
            "read JSON in it by fromJson .steps.a.output.result",
        ),
        ("output.result.title", structured(result={"name": 1}), ""),
        ("output.text.title", text('{"title": 1}'), "read JSON in it by fromJson .steps.a.output.text"),
    ],
)
def test_what_stands_in_another_place_of_a_result_is_pointed_at(template, answer, why):
    reader = step("b", arguments={"t": f"{{{{ (steps.a.{template} | fromjson).x }}}}"})
    outcome = play(workflow(step("a"), reader), Acts({"tools.a": answer}))
    assert outcome.reason.startswith(f"arguments.t: there is no 'steps.a.{template}'")
    assert outcome.reason.endswith(why or "'")


def test_a_step_whose_id_has_a_sign_is_pointed_at_in_a_way_that_can_be_read():
    reads = 'steps["get-it"]'
    for template, answer, why in (
        (f"{reads}.output.text", structured(result="{}"), f"read {reads}.output.result or {reads}.content.text"),
        (f"{reads}.output.title", text("{}"), 'by fromJson (index .steps "get-it").output.text'),
    ):
        reader = step("b", arguments={"t": f"{{{{ {template} }}}}"})
        outcome = play(workflow(step("get-it"), reader), Acts({"tools.get-it": answer}))
        assert outcome.reason.endswith(why)


def test_a_parameter_that_the_caller_left_out_is_named():
    parameters = {"type": "object", "properties": {"s": {"type": "string"}, "o": {"type": "object"}}}
    for name, given in (("s", {}), ("o.x", {"o": {}})):
        flow = workflow(step("a", arguments={"t": f"{{{{ params.{name} }}}}"}), parameters=parameters)
        outcome = play(flow, **given)
        said = f"there is no 'params.{name}'; the caller gave no '{name}', and it has no default"
        assert outcome.reason == f"arguments.t: {said}"


def test_an_item_says_it_too_and_long_reasons_do_not_grow_from_step_to_step():
    loop = {"id": "loop", "type": "forEach", "collection": "[1]", "dependsOn": ["a"]}
    inner = {"tool": "t.t", "arguments": {"t": "{{.steps.a.output.title}}"}}
    acts = Acts({"tools.a": failure("disk full")})
    outcome = play(workflow(step("a", **GOES_ON), {**loop, "step": inner}), acts)
    assert outcome.reason == f"item 0: arguments.t: {LACKING}; step 'a' failed: disk full"

    chain = [step(f"s{n + 1}", arguments={"t": f"{{{{.steps.s{n}.output.x}}}}"}, **GOES_ON) for n in range(20)]
    acts = Acts({"tools.s0": text("x" * 9000, isError=True)})
    outcome = play(workflow(step("s0", **GOES_ON), *chain), acts)
    assert max(len(record.error) for record in outcome.report.steps) < MOST_REASON + 200
    assert "step 's0' failed: xxx" in outcome.report.steps[1].error
