"""What is wrong with composite tools as a whole, each fault at its place; which steps wait for which."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.api.compositecases import composite, step
from vmcp_api.manifests.problems import Problems
from vmcp_api.manifests.validate import validate
from vmcp_api.spec.composite import CompositeTool, ErrorAction, FailureMode, OnError
from vmcp_api.workflows import dependencies, faults
from vmcp_api.workflows.dependencies import find_cycles


def problems(*steps: dict[str, Any], **fields: Any) -> dict[str, str]:
    """What is wrong with a tool, by place."""
    parsed = validate(CompositeTool, composite(*steps, **fields))
    found = parsed if isinstance(parsed, Problems) else Problems()
    return {each.path: f"{each.message}; {each.remedy}" for each in found}


def tool(*steps: dict[str, Any], **fields: Any) -> CompositeTool:
    """The model of a tool that has no faults."""
    parsed = validate(CompositeTool, composite(*steps, **fields))
    assert isinstance(parsed, CompositeTool), str(parsed)
    assert not faults(parsed)
    return parsed


def unrolling(levels: int) -> dict[str, Any]:
    """A schema whose every definition stands twice in the one before."""
    twice = {f"a{n}": {"allOf": [{"$ref": f"#/$defs/a{n + 1}"}] * 2} for n in range(levels)}
    return {"type": "object", "$defs": {**twice, f"a{levels}": {}}, "properties": {"x": {"$ref": "#/$defs/a0"}}}


@pytest.mark.scenario("W-8")
def test_steps_that_are_not_there_or_wait_in_a_circle_are_told_at_the_place_where_they_are_waited_for():
    found = problems(step("fetch"), step("sum", dependsOn=["fetchx", "sum"]), step("sum"))
    assert found == {
        "steps[1].dependsOn[0]": "there is no step 'fetchx'; did you mean 'fetch'?",
        "steps[1].dependsOn[1]": "the step waits for itself; remove it",
        "steps[2]": "has the same id as an earlier entry; make one entry of the two",
    }
    circles = problems(
        step("a", dependsOn=["b"]),
        step("b", dependsOn=["c"]),
        step("c", dependsOn=["a"]),
        step("d", dependsOn=["e", "a"]),
        step("e", dependsOn=["d"]),
    )
    remedy = "let one of them not wait for the next"
    assert circles == {
        "steps[2].dependsOn[0]": f"steps wait for each other in a circle: a → b → c → a; {remedy}",
        "steps[4].dependsOn[0]": f"steps wait for each other in a circle: d → e → d; {remedy}",
    }
    assert list(problems(*(step(f"s{n}") for n in range(101)))) == ["steps"]


GRAPHS = st.integers(1, 7).flatmap(
    lambda size: st.fixed_dictionaries(
        {str(n): st.frozensets(st.sampled_from([*map(str, range(size))])) for n in range(size)}
    )
)


@given(GRAPHS)
def test_a_circle_is_found_exactly_where_steps_can_never_all_run(graph):
    done: set[str] = set()
    while ready := {name for name in graph if name not in done and graph[name] <= done}:
        done |= ready
    found = list(find_cycles(graph))
    assert bool(found) == (len(done) < len(graph))
    for cycle in found:
        assert all(after in graph[name] for name, after in zip(cycle, (*cycle[1:], cycle[0]), strict=True))


def test_steps_wait_for_those_that_they_name_in_the_order_of_the_file():
    built = tool(step("c", dependsOn=["a", "b"]), step("a"), step("b", dependsOn=["a"]))
    assert list(dependencies(built).items()) == [("c", {"a", "b"}), ("a", set()), ("b", {"a"})]


@pytest.mark.scenario("W-8")
@pytest.mark.parametrize(
    ("schema", "place", "words"),
    [
        ({"city": {"type": "string", "required": False}}, "", "write type: object"),
        (
            {"type": "object", "properties": {"a": {"type": "text"}}},
            ".properties.a.type",
            "names no type of JSON Schema",
        ),
        ({"type": "object", "properties": {"a": {"pattern": "(?=b)"}}}, ".properties.a.pattern", "without look-around"),
        ({"type": "object", "properties": {"a": {"pattern": "(a{1000}){1000}"}}}, ".properties.a.pattern", "too large"),
        (
            {"type": "object", "patternProperties": {"(a{9,}){99999}": {}}},
            ".patternProperties['(a{9,}){99999}']",
            "too large",
        ),
        ({"type": "object", "properties": {"a": {"pattern": "a{10,9}"}}}, ".properties.a.pattern", "; correct it"),
        ({"type": "object", "properties": {"a": {"pattern": "a(b{9}"}}}, ".properties.a.pattern", "; correct it"),
        ({"type": "object", "patternProperties": {"(a)\\1": {}}}, ".patternProperties['(a)\\\\1']", "back-references"),
        ({"type": "object", "required": "a"}, ".required", "is no JSON Schema"),
        (
            {"type": "object", "properties": {"a": {"$ref": "https://a.example/s"}}},
            ".properties.a['$ref']",
            "#/$defs/NAME",
        ),
        ({"type": "object", "allOf": [{"$ref": "file:///etc/passwd"}]}, ".allOf[0]['$ref']", "#/$defs/NAME"),
        ({"type": "object", "allOf": [{"$ref": "#/$defs/b"}]}, ".allOf[0]['$ref']", "which is not there; define it"),
        (
            {"type": "object", "properties": {"a": {"$ref": "#/properties/a"}}},
            ".properties.a['$ref']",
            "as many levels",
        ),
        ({"type": "object", "properties": {"a": {"$id": "b"}}}, ".properties.a['$id']", "remove it"),
        ({"type": "object", "$schema": "https://a.example/s"}, "", "is no JSON Schema"),
        (unrolling(30), "", "is too large"),
        (unrolling(3000), "", "simpl"),
    ],
)
def test_a_schema_that_is_none_or_not_all_there_is_refused_at_its_place(schema, place, words):
    (found,) = problems(parameters=schema).items()
    assert found[0] == f"parameters{place}"
    assert words in found[1]


DEFS = {"count": {"type": "integer", "minimum": 1}}


@pytest.mark.scenario("W-8")
@pytest.mark.parametrize(
    ("part", "default", "words"),
    [
        ({"type": "integer"}, "three", 'not of type "integer"'),
        ({"type": "string"}, 3, 'not of type "string"'),
        ({"type": "string"}, None, 'not of type "string"'),
        ({"type": "integer", "maximum": 3}, 4, "maximum of 3"),
        ({"enum": ["a", "b"]}, "c", "one of"),
        ({"$ref": "#/$defs/count"}, 0, "minimum of 1"),
        ({"type": "array", "items": {"type": "string"}}, ["a", 1], 'not of type "string"'),
        ({"type": "object", "required": ["x"]}, {}, "required"),
        ({"type": "object", "properties": {"x": {"type": "integer"}}}, {"x": "y"}, 'not of type "integer"'),
    ],
)
def test_a_default_that_its_own_schema_does_not_allow_is_refused_at_its_place(part, default, words):
    for depth in range(3):
        schema: dict[str, Any] = {**part, "default": default}
        place = ".default"
        for name in "cba"[:depth]:
            # What else it lacks is the caller's to give.
            schema = {"type": "object", "properties": {name: schema}, "required": [name, "more"]}
            place = f".properties.{name}{place}"
        properties = {"top": schema, "other": {"type": "string", "default": "fine"}}
        whole = {"type": "object", "properties": properties, "required": ["must"], "$defs": DEFS}
        (found,) = problems(parameters={**whole, "additionalProperties": False}).items()
        assert found[0] == f"parameters.properties.top{place}"
        assert "does not fit its own schema" in found[1]
        assert words in found[1]
        assert found[1].endswith("correct it, or the schema")
    ask = {"type": "object", "properties": {"sure": {"type": "boolean", "default": "yes"}}}
    assert list(problems(step(type="elicitation", message="?", schema=ask))) == [
        "steps[0].schema.properties.sure.default"
    ]


@pytest.mark.parametrize(
    ("kind", "fits", "does_not"),
    [
        ("integer", [1, "1", 1.0], ["one", 1.5, [], True]),
        ("boolean", [True, "false"], ["perhaps", 1]),
        ("string", ["", 1, False], [[], {}]),
        ("array", [[], "[1]"], ["x", "{}", {}, 1]),
        ("object", [{}, '{"a": 1}'], ["[]", []]),
    ],
)
def test_a_default_of_the_result_has_to_come_to_its_type(kind, fits, does_not):
    def of(default: object) -> dict[str, str]:
        inner = {"type": kind, "value": "x", "default": default}
        return problems(output={"properties": {"a": {"type": "object", "properties": {"b": inner}}}})

    assert [default for default in (*fits, None) if of(default)] == []
    assert all(list(of(default)) == ["output.properties.a.properties.b.default"] for default in does_not)


@pytest.mark.scenario("W-8")
def test_a_step_that_calls_its_own_tool_is_refused_unless_it_may_be_a_workloads():
    loop = {"type": "forEach", "collection": "[1]", "step": {"tool": "report"}}
    found = problems(step("a", tool="report"), step("b", **loop), step("c", tool="other"))
    assert list(found) == ["steps[0].tool", "steps[1].step.tool"]
    assert set(found.values()) == {
        "calls its own composite tool, and steps cannot call composite tools; call tools of backends"
    }
    assert not problems(step("a", tool="notes.report"), name="notes.report")


def test_words_of_schemas_that_are_names_or_data_are_no_references():
    named = {"$ref": {"type": "string"}, "$id": {"default": {"$ref": "x"}}, "default": {"enum": [{"$ref": "x"}]}}
    schema = {"$schema": "http://json-schema.org/draft-07/schema#", "type": "object", "properties": named}
    assert not problems(parameters=schema)
    assert not problems(parameters=unrolling(5))


@pytest.mark.scenario("W-8")
def test_what_a_person_is_asked_for_has_to_be_a_form_that_clients_can_show():
    def ask(schema: dict[str, Any]) -> dict[str, str]:
        return problems(step(type="elicitation", message="Go on?", schema=schema))

    flat = {
        "who": {"type": "string", "format": "email"},
        "where": {"type": "string", "oneOf": [{"const": "a", "title": "A"}]},
        "which": {"type": "array", "items": {"type": "string", "enum": ["a"]}},
        "sure": {"type": "boolean"},
        "how": {"enum": ["a"]},
    }
    assert not ask({"type": "object", "properties": flat, "required": ["who"]})
    assert "write type: object" in ask({"type": "boolean"})["steps[0].schema"]
    nested = {"a": {"type": "object", "properties": {}}, "b": {"type": "array", "items": {"type": "string"}}, "c": True}
    assert list(ask({"type": "object", "properties": nested})) == [
        f"steps[0].schema.properties.{name}" for name in "abc"
    ]


def test_properties_of_a_result_are_read_at_any_depth():
    deep = {"type": "object", "properties": {"b": {"type": "object", "properties": {"c": {"typ": "string"}}}}}
    found = problems(output={"properties": {"a": deep}})
    assert found == {
        "output.properties.a.properties.b.properties.c.type": "is required; add it",
        "output.properties.a.properties.b.properties.c.typ": "is an unknown key; did you mean 'type'?",
    }


@pytest.mark.parametrize(
    ("on_error", "mode", "outcome"),
    [
        (OnError(), FailureMode.ABORT, FailureMode.ABORT),
        (OnError(), FailureMode.CONTINUE, FailureMode.CONTINUE),
        (OnError(action=ErrorAction.ABORT), FailureMode.CONTINUE, FailureMode.ABORT),
        (OnError(action=ErrorAction.CONTINUE), FailureMode.ABORT, FailureMode.CONTINUE),
        (OnError(action=ErrorAction.RETRY), FailureMode.CONTINUE, FailureMode.CONTINUE),
        (OnError(action=ErrorAction.RETRY, fallback=FailureMode.ABORT), FailureMode.CONTINUE, FailureMode.ABORT),
    ],
)
def test_a_step_that_failed_for_good_does_as_it_says_or_else_as_the_workflow_says(on_error, mode, outcome):
    assert on_error.outcome(mode) is outcome
