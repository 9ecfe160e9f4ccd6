"""JSON as policies judge it: what Cedar cannot hold is told apart from what is not there."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.proxy.core.policy.cedar.helpers import wanted
from vmcp_proxy.core.policy.cedar.arguments import read_arguments
from vmcp_proxy.core.policy.cedar.values import UnholdableError, to_value

pytestmark = pytest.mark.scenario("Z-3")

PRESENT = wanted("context has arg_x_present")
WHOLE = wanted("context == {}")
X = wanted("context.arg_x == 1")


def decimal(text):
    return {"__extn": {"fn": "decimal", "arg": text}}


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("5", 5),
        ("5.0", 5),
        ("5e0", 5),
        ("50e-1", 5),
        ("-0.0", 0),
        ("0e999999", 0),
        ("1e18", 10**18),
        (str(2**63 - 1), 2**63 - 1),
        (str(-(2**63)), -(2**63)),
        ("2.5", decimal("2.5000")),
        ("-0.0001", decimal("-0.0001")),
        ("2.50000000", decimal("2.5000")),
        ("true", True),
        ('"text"', "text"),
        ('"\\ud83d\\ude00"', "\U0001f600"),
        ('["a", 1, ["b"]]', ["a", 1, ["b"]]),
        ('{"a": {"b": [1.5]}}', {"a": {"b": [decimal("1.5000")]}}),
        ("[]", []),
        ("{}", {}),
    ],
)
def test_what_cedar_can_hold_is_held_as_what_it_means(written, value):
    held = read_arguments(b'{"x": %b}' % written.encode(), X)
    assert (held.held, held.ill) == ({"arg_x": value}, frozenset())


@pytest.mark.parametrize(
    "written",
    [
        "null",
        "1e19",
        "1e999999999",
        "-1e-999999999",
        "1e99999999999999999999",
        "0.00001",
        "1.23456",
        "922337203685477.5808",
        str(2**63),
        str(-(2**63) - 1),
        "9" * 5000,
        "0." + "1" * 5000,
        '"\\ud800"',
        '{"\\udfff": 1}',
        "[null]",
        '{"a": null}',
        '{"a": 1, "a": 2}',
        '{"__entity": {"type": "Group", "id": "admins"}}',
        '[{"__extn": {"fn": "ip", "arg": "::1"}}]',
        '{"a": {"__expr": "1"}}',
        "[" * 30 + "]" * 30,
        "NaN",
        "-Infinity",
    ],
)
def test_what_cedar_cannot_hold_is_named_and_nothing_else_is_lost(written):
    held = read_arguments(b'{"y": 1, "x": %b}' % written.encode(), wanted("context.arg_x == context.arg_y"))
    assert (held.held, held.ill, held.flaw) == ({"arg_y": 1}, {"arg_x"}, "")


@pytest.mark.parametrize("raw", [b"[1]", b'"x"', b"1", b"{", b"\xff", b"[" * 100_000, b'{"x": ' + b"[" * 100_000])
def test_arguments_that_are_no_object_cannot_be_judged_by_at_all(raw):
    assert read_arguments(raw, X).flaw


@pytest.mark.parametrize("raw", [None, b"null", b"{}"])
def test_no_arguments_are_none(raw):
    held = read_arguments(raw, X)
    assert (held.held, held.ill, held.flaw) == ({}, frozenset(), "")


@pytest.mark.parametrize("raw", [b'{"x": 1, "x": 1}', b'{"x": 1, "X": 2}', b'{"X": 2}'])
def test_a_name_that_two_readers_could_take_for_another_one_cannot_be_judged_by(raw):
    held = read_arguments(raw, X)
    assert (held.held, held.ill) == ({}, {"arg_x"})


def test_only_what_policies_read_is_looked_at():
    held = read_arguments(b'{"x": 1, "y": null, "z": {"__entity": 1}, "X ": 2}', X)
    assert (held.held, held.ill) == ({"arg_x": 1}, frozenset())


@pytest.mark.parametrize("value", ["[]", "{}", "null", "[1, null]"])
def test_the_presence_of_what_is_no_single_value_can_be_asked_for_as_with_toolhive(value):
    held = read_arguments(b'{"x": %b}' % value.encode(), PRESENT)
    assert (held.held, held.ill) == ({"arg_x_present": True}, frozenset())
    assert read_arguments(b'{"x": 1}', PRESENT).held == {}


def test_a_caller_cannot_say_itself_that_something_is_present_or_not():
    held = read_arguments(b'{"x": [], "x_present": false}', PRESENT)
    assert (held.held, held.ill) == ({}, {"arg_x_present"})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=4), JSON, max_size=4))
def test_whatever_comes_is_held_or_named(arguments):
    held = read_arguments(json.dumps(arguments).encode(), WHOLE)
    for name, value in arguments.items():
        try:
            to_value(value)
        except UnholdableError:
            assert f"arg_{name}" in held.ill
        else:
            assert f"arg_{name}" in held.held or f"arg_{name}" in held.ill
