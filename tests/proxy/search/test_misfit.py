"""Arguments beside the schema of their tool: what plainly does not fit is said, and nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmcp_api.workflows.schemas import SchemaError, build_validator
from vmcp_proxy.search.calling.misfit import MOST_STEPS, misfit

NAMED = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": False}


@pytest.mark.scenario("T-5")
@pytest.mark.parametrize(
    ("schema", "value", "said"),
    [
        (NAMED, {"a": "x"}, ""),
        (NAMED, {}, "arguments has no 'a', which is required"),
        (NAMED, {"a": "x", "b": 1}, "arguments has 'b', which is not declared"),
        (NAMED, {"a": 7}, "arguments.a is not of type string"),
        (NAMED, [1], "arguments is not of type object"),
        (
            {"properties": {"n": {"type": ["integer", "null"]}}},
            {"n": "1"},
            "arguments.n is not of type integer or null",
        ),
        ({"properties": {"n": {"type": "integer"}}}, {"n": 3.0}, ""),
        ({"properties": {"n": {"type": "integer"}}}, {"n": True}, "arguments.n is not of type integer"),
        (
            {"properties": {"l": {"items": NAMED}}},
            {"l": [{"a": ""}, {}]},
            "arguments.l[1] has no 'a', which is required",
        ),
        ({"properties": {"e": {"enum": ["x", "y"]}}}, {"e": "z"}, "arguments.e is none of x, y"),
        ({"additionalProperties": False, "patternProperties": {"^x": {}}}, {"y": 1}, ""),
        ({"$ref": "#/x", "required": ["a"]}, {}, ""),
        ({"anyOf": [{"required": ["a"]}]}, {}, ""),
        ({"type": "strange"}, {}, ""),
        ({"type": [1, None]}, {}, ""),
        ({"type": ["string", "string"]}, 1, "arguments is not of type string"),
        ({"type": ["null"] * 4300 + ["string"]}, 1, ""),
        ({"enum": ["x", 1]}, [1], "arguments is none of x, 1"),
        ({"enum": [[1], "x"]}, [2], ""),
        ({"required": "a", "properties": [1], "enum": 3}, {"a": 1}, ""),
        ([], {}, ""),
        (True, {}, ""),
    ],
)
def test_what_plainly_does_not_fit_is_said_by_its_path(schema, value, said):
    assert misfit(schema, value) == said


def test_deep_values_and_long_choices_cost_nothing():
    schema = {"items": {}}
    schema["items"] = schema
    value = []
    for _ in range(500):
        value = [value]
    assert misfit(schema, value) == ""
    assert misfit({"enum": list(range(1000))}, -1) == ""


class Reads:
    """Counts what is read of lists and texts."""

    def __init__(self):
        self.count = 0

    def list(self, items):
        reads = self

        class Counting(list):
            def __iter__(self):
                for each in list.__iter__(self):
                    reads.count += 1
                    yield each

        return Counting(items)

    def text(self, said):
        reads = self

        class Counting(str):
            __slots__ = ()

            def __eq__(self, other):
                reads.count += 1
                return str.__eq__(self, other)

            __hash__ = str.__hash__

        return Counting(said)


@pytest.mark.scenario("T-5")
@pytest.mark.parametrize(
    "item",
    [
        lambda reads: {"type": reads.list(["null"] * 4300 + ["integer"])},
        lambda reads: {"type": [reads.text(name) for name in ("null", "string", "boolean", "object", "integer")]},
        lambda reads: {"required": reads.list(["a"] * 8000)},
        lambda reads: {"required": reads.list(["a"] * 90)},
        lambda reads: {"enum": [reads.text(f"x{at}") for at in range(99)]},
        lambda reads: {"enum": [reads.list([at]) for at in range(99)]},
        lambda reads: {"properties": {"a": {"type": reads.list(["null"] * 4300)}}},
        lambda reads: {},
    ],
)
@pytest.mark.parametrize("value", [1, "x98", {"a": 1}, [7]])
def test_what_a_schema_repeats_at_each_place_of_the_arguments_is_read_so_often_and_no_more(item, value):
    reads = Reads()
    arguments = reads.list([value] * 30_000)
    misfit({"items": item(reads)}, arguments)
    assert reads.count <= 4 * MOST_STEPS


def test_what_is_wrong_beyond_the_last_step_is_not_said():
    schema = {"items": {"type": "integer"}}
    assert misfit(schema, [1] * 5 + ["x"]) == "arguments[5] is not of type integer"
    assert misfit(schema, [1] * 5 + ["x"], most_steps=9) == ""


SIMPLE = st.sampled_from(["string", "integer", "number", "boolean", "object", "array", "null"])
SCHEMAS = st.recursive(
    st.fixed_dictionaries({}, optional={"type": SIMPLE, "enum": st.lists(st.sampled_from(["a", 1, None]), min_size=1)}),
    lambda inner: st.fixed_dictionaries(
        {},
        optional={
            "type": SIMPLE,
            "properties": st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
            "required": st.lists(st.sampled_from("abc"), unique=True, max_size=2),
            "additionalProperties": st.booleans(),
            "items": inner,
        },
    ),
    max_leaves=6,
)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-2, 2), st.sampled_from(["a", "b", 1.0, 1.5])),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from("abcd"), inner, max_size=3)),
    max_leaves=6,
)


@given(SCHEMAS, VALUES)
def test_what_is_said_agrees_with_a_validator_of_json_schema(schema, value):
    try:
        validator = build_validator(schema)
    except SchemaError:
        return
    # `true` and 1 are equal in Python, and not in JSON.
    if "enum" not in str(schema) or "True" not in str(value):
        assert bool(misfit(schema, value)) is not validator.is_valid(value)
