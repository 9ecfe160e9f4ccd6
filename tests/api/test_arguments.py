"""Overrides of arguments as people write them: what is refused, and that any JSON value survives."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.api.manifests import build, manifest, problems_of, team
from vmcp_api.base import Constant
from vmcp_api.manifests.documents import Source
from vmcp_api.manifests.load import load
from vmcp_api.manifests.problems import Problems
from vmcp_api.render import Mode, Rendered, decode_config, encode_config, render
from vmcp_api.spec.aggregation import ArgumentOverride

PLACE = "spec.config.aggregation.tools[0].overrides.t.arguments"
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


def spec(**arguments: Any) -> dict[str, Any]:
    entry = {"workload": "a", "overrides": {"t": {"arguments": arguments}}}
    return {"config": {"aggregation": {"tools": [entry]}}}


@pytest.mark.scenario("A-5")
@pytest.mark.parametrize(
    ("override", "withheld", "value"),
    [
        ({"fixed": None}, True, Constant(None)),
        ({"fixed": False}, True, Constant(value=False)),
        ({"fixed": 1, "hidden": True}, True, Constant(1)),
        ({"default": None}, False, Constant(None)),
        ({"default": [], "hidden": False}, False, Constant([])),
        ({"default": {"a": None}, "hidden": True}, True, Constant({"a": None})),
        ({"hidden": True}, True, None),
    ],
)
def test_every_form_is_read_and_null_is_a_value(override, withheld, value):
    tools = build("VirtualMCPServer", **spec(x=override)).spec.config.aggregation.tools
    read = tools[0].overrides["t"].arguments["x"]
    assert (read.is_withheld, read.value) == (withheld, value)


@pytest.mark.scenario("A-5")
@pytest.mark.parametrize(
    ("arguments", "path", "said"),
    [
        ({"x": {}}, f"{PLACE}.x", "changes nothing; set fixed, default or hidden: true"),
        ({"x": {"hidden": False}}, f"{PLACE}.x", "changes nothing; set fixed, default or hidden: true"),
        ({"x": {"hidden": None}}, f"{PLACE}.x", "changes nothing; set fixed, default or hidden: true"),
        ({"x": {"fixed": None, "default": None}}, f"{PLACE}.x", "fixed together with default"),
        ({"x": {"fixed": 1, "default": 1, "hidden": True}}, f"{PLACE}.x", "fixed together with default"),
        ({"x": {"fixed": 1, "hidden": False}}, f"{PLACE}.x", "hidden: false; keep one of them"),
        ({"x": {"hidden": "yes"}}, f"{PLACE}.x.hidden", "must be true or false"),
        ({"x": {"fix": 1}}, f"{PLACE}.x.fix", "is an unknown key; did you mean 'fixed'?"),
        ({"x": 7}, f"{PLACE}.x", "must be a mapping (found a number); write it with the keys fixed"),
        ({"": {"fixed": 1}}, f"{PLACE}['']", "must have at least 1"),
        ({f"x{n}": {"fixed": n} for n in range(101)}, PLACE, "must have at most 100 entries"),
    ],
)
def test_what_cannot_be_meant_is_refused_at_its_place(arguments, path, said):
    (problem,) = problems_of("VirtualMCPServer", **spec(**arguments))
    assert problem.path == path
    assert said in str(problem)


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize("depth", [1_000, 100_000])
def test_a_value_that_is_nested_beyond_reason_is_a_problem_and_no_crash(depth):
    (problem,) = problems_of("VirtualMCPServer", **spec(x={"fixed": nested(depth)}))
    assert problem.is_error


@given(VALUES, st.sampled_from(["fixed", "default"]))
def test_a_value_reaches_the_proxy_as_it_was_written(value, member):
    resources = team(build("MCPServer", "a"), **spec(x={member: value}, y={"hidden": True}))
    rendered = render(resources, "front", mode=Mode.CLUSTER)
    assert isinstance(rendered, Rendered)
    text = encode_config(rendered.config)
    again = decode_config(text, "config.json")
    assert not isinstance(again, Problems), str(again)
    assert again == rendered.config
    assert encode_config(again) == text
    arrived = again.config.aggregation.tools[0].overrides["t"].arguments
    # As text, in which 1, 1.0 and true differ.
    assert json.dumps(getattr(arrived["x"], member).value, sort_keys=True) == json.dumps(value, sort_keys=True)
    assert (arrived["y"].fixed, arrived["y"].default) == (None, None)


def test_members_that_were_not_written_are_in_no_text():
    assert ArgumentOverride(fixed=Constant(None)).model_dump(mode="json", exclude_defaults=True) == {"fixed": None}
    assert ArgumentOverride(hidden=True).model_dump(mode="json") == {"hidden": True}


@pytest.mark.scenario("D-4")
def test_two_entries_for_one_workload_are_refused_with_file_line_place_and_remedy():
    document = manifest("VirtualMCPServer", config={"aggregation": {"tools": [{"workload": "a"}, {"workload": "a"}]}})
    text = json.dumps(document, indent=1)
    line = [number for number, each in enumerate(text.splitlines(), 1) if '"workload"' in each][1] - 1
    assert str(load([Source("front.yaml", text)]).problems) == (
        f"front.yaml:{line}: VirtualMCPServer/one: spec.config.aggregation.tools[1]: "
        "has the same workload as an earlier entry; make one entry of the two"
    )
