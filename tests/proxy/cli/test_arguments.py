"""`--arg name=value`: read by the tool's schema."""

import contextlib
import json

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmcp_proxy.cli.endpoint.arguments import parse_object, parse_pairs

SCHEMA = {
    "type": "object",
    "properties": {
        "text": {"type": "string"},
        "maybe": {"type": ["string", "null"]},
        "count": {"type": "integer"},
        "ratio": {"type": "number"},
        "loud": {"type": "boolean"},
        "tags": {"type": "array"},
        "options": {"type": "object"},
        "either": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
        "anything": {},
    },
}


@pytest.mark.parametrize(
    ("pair", "value"),
    [
        ("text=3", "3"),
        ("text=", ""),
        ("text=a=b", "a=b"),
        ("text=null", "null"),
        ("maybe=null", "null"),
        ("count=3", 3),
        ("count=3.0", 3.0),
        ("ratio=-0.5", -0.5),
        ("loud=true", True),
        ("tags=[1, 2]", [1, 2]),
        ('options={"a": 1}', {"a": 1}),
        ("either=null", None),
        ("anything=7", 7),
        ("anything=seven", "seven"),
        ("anything=NaN", "NaN"),
    ],
)
def test_a_value_is_read_by_the_type_of_its_argument(pair, value):
    read = parse_pairs([pair], "t", SCHEMA)[pair.partition("=")[0]]
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(
    ("pair", "said"),
    [
        ("count=three", "--arg count must be integer (found 'three')"),
        ("count=true", "--arg count must be integer"),
        ("count=3.5", "--arg count must be integer"),
        ("ratio=NaN", "--arg ratio must be number"),
        ("ratio=1e400", "--arg ratio: the number 1e400 is too large to be sent"),
        ("anything=[1, -1e400]", "--arg anything: the number -1e400 is too large to be sent"),
        ("loud=1", "--arg loud must be boolean"),
        ("either=x", "--arg either must be integer or null"),
        ("cuont=3", "did you mean 'count'?"),
        ("count", "--arg takes name=value"),
        ("=3", "--arg takes name=value"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_with_what_would(pair, said):
    with pytest.raises(click.UsageError) as error:
        parse_pairs([pair], "t", SCHEMA)
    assert said in error.value.message


def test_an_argument_that_is_missing_or_given_twice_is_named():
    with pytest.raises(click.UsageError, match=r"needs count; add --arg count=\.\.\."):
        parse_pairs([], "t", {**SCHEMA, "required": ["count"]})
    with pytest.raises(click.UsageError, match="--arg count is given twice"):
        parse_pairs(["count=1", "count=2"], "t", SCHEMA)


def test_a_tool_without_a_closed_schema_takes_any_argument():
    assert parse_pairs(["a=1", "b=x"], "t", {"type": "object"}) == {"a": 1, "b": "x"}
    with pytest.raises(click.UsageError, match="there are no arguments"):
        parse_pairs(["a=1"], "t", {"type": "object", "additionalProperties": False})


@pytest.mark.parametrize("text", ["{", "[1]", "3", '"x"', ""])
def test_json_that_is_no_object_is_refused(text):
    with pytest.raises(click.UsageError, match="--json"):
        parse_object(text)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(JSON.filter(lambda value: not isinstance(value, str)))
def test_what_is_no_text_arrives_as_json_says_it(value):
    assert parse_pairs([f"x={json.dumps(value)}"], "t", {}) == {"x": value}


@given(schema=st.dictionaries(st.sampled_from(["properties", "required", "type", "anyOf"]), JSON), text=st.text())
def test_no_schema_of_a_backend_breaks_the_command(schema, text):
    with contextlib.suppress(click.UsageError):
        assert set(parse_pairs([f"x={text}"], "t", schema)) == {"x"}
