"""Templates of composite tools: what they read is waited for, and what can never be there is told at its place."""

from typing import Any

import pytest

from tests.api.compositecases import composite, step
from tests.api.test_workflows import problems, tool
from vmcp_api.manifests.problems import format_path
from vmcp_api.manifests.validate import validate
from vmcp_api.spec.composite import CompositeTool
from vmcp_api.workflows import dependencies, doubts

CITY = {"type": "object", "properties": {"city": {"type": "string"}}}
EACH = {"type": "forEach", "collection": "{{ params.city }}"}


def nested(levels: int) -> Any:
    """A text within that many lists."""
    return [nested(levels - 1)] if levels else "{{ params.city }}"


@pytest.mark.scenario("W-1")
def test_a_step_waits_for_those_that_its_templates_read_wherever_they_stand():
    built = tool(
        step("a"),
        step("b"),
        step("c"),
        step(
            "asked",
            arguments={"x": {"y": ["{{.steps.a.output.text}}", 1]}},
            condition="{{ steps.b.status == 'failed' }}",
        ),
        step("question", type="elicitation", message="Use {{ steps.a.output.text }}?", dependsOn=["c"]),
        step(
            "each",
            type="forEach",
            collection="{{json .steps.b.output}}",
            step={"tool": "t", "arguments": {"z": "{{ steps['c'] }}"}},
        ),
        step("free", arguments={"x": "no template of steps.a"}),
        output={"properties": {"all": {"type": "string", "value": "{{ steps.free.output.text }}"}}},
    )
    found = dependencies(built)
    assert {name: found[name] for name in ("asked", "question", "each", "free")} == {
        "asked": {"a", "b"},
        "question": {"a", "c"},
        "each": {"b", "c"},
        "free": set(),
    }


@pytest.mark.scenario("W-8")
def test_a_circle_through_templates_is_told_at_the_template():
    found = problems(step("a", arguments={"x": ["{{ steps.b.output.text }}"]}), step("b", dependsOn=["a"]))
    assert list(found) == ["steps[1].dependsOn[0]"]
    found = problems(step("b", dependsOn=["a"]), step("a", arguments={"x": ["{{ steps.b.output.text }}"]}))
    assert list(found) == ["steps[1].arguments.x[0]"]
    assert "b → a → b" in found["steps[1].arguments.x[0]"]


@pytest.mark.scenario("W-8", "W-2")
@pytest.mark.parametrize(
    ("fields", "place", "words"),
    [
        ({"arguments": {"x": "{{ params.city "}}, "arguments.x", "correct the template"),
        ({"arguments": {"x": "{{ city }}"}}, "arguments.x", "there is no 'city'; templates read params"),
        ({"arguments": {"a": [{"b c": "{{.nope}}"}]}}, "arguments.a[0]['b c']", "there is no 'nope'"),
        (
            {"arguments": {"x": "{{ params.cty }}"}},
            "arguments.x",
            "declare it under parameters.properties (did you mean 'city'?)",
        ),
        (
            {"arguments": {"x": "{{ steps.b.output }}"}},
            "arguments.x",
            "the step 'b', which does not exist; known other steps: z",
        ),
        (
            {"arguments": {"x": "{{ steps.get-order.output.id }}"}},
            "arguments.x",
            """reads steps.get-order, and no name after a dot holds a '-'; write steps["get-order"]""",
        ),
        ({"condition": "{% if steps.z-2.status == 'x' %}true{% endif %}"}, "condition", 'write steps["z-2"]'),
        ({"arguments": {"x": "{{ params.user-id }}"}}, "arguments.x", 'write params["user-id"]'),
        ({"arguments": {"x": "{{ steps.z.output.order-id }}"}}, "arguments.x", 'write steps.z.output["order-id"]'),
        ({"arguments": {"x": "{{json .steps.get-order.output}}"}}, "arguments.x", 'write (index .steps "get-order")'),
        ({"arguments": {"x": "{{ 'steps.get-order' + city }}"}}, "arguments.x", "there is no 'city'"),
        # What is hostile is told as soon as anything.
        ({"arguments": {"x": "{%" * 32_000}}, "arguments.x", "; correct the template"),
        ({"arguments": {"x": "{{" + '"\\' * 32_000}}, "arguments.x", "; correct the template"),
        ({"arguments": {"x": "{{ steps.a-b }}" + " " * 65_536}}, "arguments.x", "65536 are allowed"),
        ({"arguments": {"x": "{{ steps.a.output }}"}}, "arguments.x", "its own step"),
        ({"arguments": {"x": "{{ steps.z.result }}"}}, "arguments.x", "has output, content, status and error"),
        ({"arguments": {"x": "{{json .steps}}"}}, "arguments.x", "reads all steps and waits for none"),
        ({"arguments": {"x": "{{ forEach.item }}"}}, "arguments.x", "only within the step of a forEach"),
        ({"condition": "params.city"}, "condition", "neither true nor false; write a template"),
        ({**EACH, "collection": "params.city", "step": {"tool": "t"}}, "collection", "no list; write a template"),
        ({**EACH, "condition": "{{ forEach.item }}", "step": {"tool": "t"}}, "condition", "only within the step"),
        (
            {**EACH, "itemVar": "town", "step": {"tool": "t", "arguments": {"x": "{{ forEach.item.name }}"}}},
            "step.arguments.x",
            "the item is forEach.town",
        ),
        ({"arguments": {"x": nested(70)}}, "arguments", "nested more than 64 deep"),
        ({"type": "elicitation", "message": "{% include 'x' %}"}, "message", "; "),
    ],
)
def test_a_template_that_cannot_be_read_or_reads_what_is_never_there_is_told(fields, place, words):
    ((path, said),) = problems(step("a", **fields), step("z"), parameters=CITY).items()
    assert path == f"steps[0].{place}"
    assert words in said


@pytest.mark.scenario("W-8")
def test_values_of_the_result_are_read_at_any_depth_and_may_read_all_steps():
    def output(value: str) -> dict[str, str]:
        deep = {"type": "object", "properties": {"b": {"type": "string", "value": value}}}
        return problems(step("a"), output={"properties": {"a": deep}})

    assert list(output("{{ steps.b.output }}")) == ["output.properties.a.properties.b.value"]
    assert not output("{{ steps | tojson }}")


@pytest.mark.parametrize(
    "fields",
    [
        {"arguments": {"x": "{{.params.city}}", "y": 1}},
        {"condition": " True "},
        {
            **EACH,
            "collection": '["a", "b"]',
            "step": {"tool": "t", "arguments": {"x": "{{ forEach.item }} {{ forEach.index }}"}},
        },
        {**EACH, "itemVar": "town", "step": {"tool": "t", "arguments": {"x": "{{.forEach.town.name}}"}}},
        {"arguments": {"x": "{{json .steps}}"}, "dependsOn": ["z"]},
        {"arguments": {"x": "{{ steps.z.output.count-1 }}", "y": "{{ steps['z-2'] or 'steps.z-2' }} steps.z-2"}},
    ],
)
def test_what_can_be_there_is_read(fields):
    assert not problems(step("a", **fields), step("z"), step("z-2"), parameters=CITY)


@pytest.mark.parametrize(
    "schema",
    [
        {**CITY, "additionalProperties": True},
        {**CITY, "additionalProperties": {"type": "string"}},
        {**CITY, "patternProperties": {"^x": {}}},
        {**CITY, "anyOf": [{"properties": {"town": {}}}]},
    ],
)
def test_a_parameter_that_a_schema_lets_through_counts_as_declared(schema):
    reads = step("a", arguments={"x": "{{ params.town }}"})
    assert not problems(reads, parameters=schema)
    assert list(problems(reads, parameters=CITY)) == ["steps[0].arguments.x"]
    assert list(problems(reads)) == ["steps[0].arguments.x"]


def test_dependencies_of_a_tool_with_faults_name_steps_that_exist_only():
    written: dict[str, Any] = composite(
        step("a", arguments={"x": "{{ steps.b.output }} {{ steps.a.output }}", "y": "{{"})
    )
    built = CompositeTool.model_validate(written, by_alias=True, by_name=False)
    assert not isinstance(validate(CompositeTool, written), CompositeTool)
    assert dependencies(built) == {"a": frozenset()}


def test_a_list_whose_entries_are_faulty_is_not_told_to_be_too_short():
    assert list(problems(step("a", tol="x"))) == ["steps[0].tol"]


def doubted(*steps: dict[str, Any], **fields: Any) -> list[str]:
    """The places of results that may not be there."""
    return [format_path(loc) for loc, _ in doubts(tool(*steps, **fields))]


@pytest.mark.scenario("W-3")
def test_a_result_that_may_not_be_there_is_told_unless_somebody_looks_first_or_has_a_value_for_it():
    reads = {"x": "{{ steps.a.output.text }}"}
    maybe = step("a", condition="{{ params.city == 'Ulm' }}")
    let_go = step("a", onError={"action": "continue"})
    assert doubted(maybe, step("b", arguments=reads), parameters=CITY) == ["steps[1].arguments.x"]
    assert doubted(let_go, step("b", arguments=reads)) == ["steps[1].arguments.x"]
    assert doubted(step("a"), step("b", arguments=reads), failureMode="continue") == ["steps[1].arguments.x"]
    assert not doubted(step("a"), step("b", arguments=reads))
    assert not doubted({**let_go, "defaultResults": {"text": "none"}}, step("b", arguments=reads))
    assert doubted({**let_go, "defaultResults": {"other": 1}}, step("b", arguments=reads))
    assert not doubted(let_go, step("b", arguments=reads, condition="{{ steps.a.status == 'completed' }}"))
    looks = "{{if .steps.a.error}}none{{else}}{{.steps.a.output.text}}{{end}}"
    assert not doubted(let_go, step("b", arguments={"x": looks}))
    value = {"type": "string", "value": reads["x"]}
    copes = (
        "{{ steps.a.output.text | default('none') }}",
        "{% if steps.a.output.text %}{{ steps.a.output.text }}{% endif %}",
        "{{ steps.a.output.text.x if steps.a.output.text else '' }}",
        "{{ steps.a.output.text == 'x' }}",
        '{{or .steps.a.output.text "none"}}',
        "{{with .steps.a.output.text}}{{.}}{{end}}",
        "{{if .steps.a.output}}{{.steps.a.output.text}}{{end}}",
        "{{ not steps.a.output.text }}",
    )
    assert [each for each in copes if doubted(let_go, step("b", arguments={"x": each}))] == []
    blind = ("{{ steps.a.output.text | upper | default('none') }}", "{{ steps.a.output.text > 1 }}")
    assert [each for each in blind if not doubted(let_go, step("b", arguments={"x": each}))] == []
    # What becomes of its items stands in its result.
    items = {"x": "{{ steps.loop.output.iterations }}"}
    loop = {"type": "forEach", "collection": "[1]", "step": {"tool": "notes.read"}, "onError": {"action": "continue"}}
    assert not doubted(step("loop", **loop), step("b", arguments=items))
    assert doubted(step("loop", **loop, condition="{{ params.city }}"), step("b", arguments=items), parameters=CITY)
    assert doubted(let_go, output={"properties": {"v": value}}) == ["output.properties.v.value"]
    assert not doubted(let_go, output={"properties": {"v": {**value, "default": None}}})


@pytest.mark.scenario("W-3")
def test_a_parameter_that_may_be_left_out_is_told_where_nobody_tests_it_first():
    reads = {"x": "{{ params.city }}"}
    (found,) = doubts(tool(step("a", arguments=reads), parameters=CITY))
    assert found[0] == ("steps", 0, "arguments", "x")
    assert found[1].startswith("reads the parameter 'city', which callers may leave out and which has no default; ")
    blind = ("{{ params.city.x }}", "{{.params.city}}", "{{ params.city | upper }}", "{{ params.city > 'a' }}")
    assert [each for each in blind if not doubted(step("a", arguments={"x": each}), parameters=CITY)] == []
    assert doubted(step("a", condition=reads["x"]), parameters=CITY) == ["steps[0].condition"]
    copes = (
        "{{ params.city | default('x') }}",
        "{{ params.city or 'x' }}",
        "{% if params.city is defined %}{{ params.city }}{% endif %}",
        "{{if .params.city}}{{.params.city}}{{end}}",
        "{{ params }}",
    )
    assert [each for each in copes if doubted(step("a", arguments={"x": each}), parameters=CITY)] == []
    asked = {"condition": "{{ params.city is defined }}"}
    assert not doubted(step("a", arguments=reads, **asked), parameters=CITY)
    assert doubted(step("a", **asked), step("b", arguments=reads), parameters=CITY) == ["steps[1].arguments.x"]
    value = {"type": "string", "value": reads["x"]}
    assert doubted(output={"properties": {"v": value}}, parameters=CITY) == ["output.properties.v.value"]
    assert not doubted(output={"properties": {"v": {**value, "default": ""}}}, parameters=CITY)
    filled = {"type": "object", "properties": {"city": {"type": "string", "default": "Ulm"}}}
    either = {**CITY, "anyOf": [{"required": ["city"]}]}
    for schema in ({**CITY, "required": ["city"]}, filled, either):
        assert not doubted(step("a", arguments=reads), parameters=schema)
