"""What a backend gets of the arguments that a caller sends, where the settings say something about them."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmcp_api.spec.aggregation import ArgumentOverride
from vmcp_proxy.core.catalog.arguments import ArgumentPlan, apply_arguments, build_plan
from vmcp_proxy.protocol.params import InvalidParamsError, encode_members, parse_members

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
NAMES = st.sampled_from(
    ["a", "b", "A", "kind", "KIND", "\N{KELVIN SIGN}ind", "\N{LATIN SMALL LETTER LONG S}", "s", "ä"]
)
NAMES |= st.text(min_size=1, max_size=3)
OVERRIDES = st.dictionaries(
    NAMES,
    st.one_of(
        st.fixed_dictionaries({"fixed": VALUES}, optional={"hidden": st.just(value=True)}),
        st.fixed_dictionaries({"default": VALUES}, optional={"hidden": st.booleans()}),
        st.just({"hidden": True}),
    ),
    min_size=1,
    max_size=4,
)
ARGUMENTS = st.dictionaries(NAMES, VALUES, max_size=5)


def plan_of(overrides: dict[str, dict[str, Any]], *properties: str) -> ArgumentPlan:
    read = {
        name: ArgumentOverride.model_validate(each, by_alias=True, by_name=False) for name, each in overrides.items()
    }
    return build_plan(read, properties)


def applied(params: bytes, plan: ArgumentPlan) -> bytes:
    members = parse_members(params)
    apply_arguments(members, plan)
    return encode_members(members)


def sent(overrides: dict[str, dict[str, Any]], arguments: dict[str, Any], *properties: str) -> dict[str, Any]:
    params = json.dumps({"name": "t", "arguments": arguments}).encode()
    return json.loads(applied(params, plan_of(overrides, *properties)))["arguments"]


@pytest.mark.parametrize(
    ("override", "absent", "present"),
    [
        ({"fixed": 1}, {"x": 1}, {"x": 1}),
        ({"fixed": None}, {"x": None}, {"x": None}),
        ({"fixed": {"a": [1, None]}, "hidden": True}, {"x": {"a": [1, None]}}, {"x": {"a": [1, None]}}),
        ({"default": 1}, {"x": 1}, {"x": "theirs"}),
        ({"default": None}, {"x": None}, {"x": "theirs"}),
        ({"default": 1, "hidden": False}, {"x": 1}, {"x": "theirs"}),
        ({"default": 1, "hidden": True}, {"x": 1}, {"x": 1}),
        ({"default": None, "hidden": True}, {"x": None}, {"x": None}),
        ({"hidden": True}, {}, {}),
    ],
)
def test_each_form_sends_its_value_whether_or_not_the_caller_sends_one(override, absent, present):
    assert sent({"x": override}, {"y": 2}) == {"y": 2} | absent
    assert sent({"x": override}, {"x": "theirs", "y": 2}) == {"y": 2} | present


def test_a_null_of_the_caller_is_a_value_and_no_reason_for_the_default():
    assert sent({"x": {"default": 1}}, {"x": None}) == {"x": None}


@pytest.mark.parametrize(
    ("params", "override", "expected"),
    [
        (b'{"name":"t"}', {"fixed": 1}, b'{"name":"t","arguments":{"x":1}}'),
        (b'{"arguments":null,"name":"t"}', {"default": 1}, b'{"arguments":{"x":1},"name":"t"}'),
        (b'{"arguments":{},"name":"t"}', {"hidden": True}, b'{"arguments":{},"name":"t"}'),
        (b'{"arguments":{"x":1},"name":"t"}', {"hidden": True}, b'{"arguments":{},"name":"t"}'),
        (b'{"arguments":null,"name":"t"}', {"hidden": True}, b'{"arguments":null,"name":"t"}'),
        (b'{"name":"t"}', {"hidden": True}, b'{"name":"t"}'),
    ],
)
def test_absent_arguments_become_an_object_only_where_something_is_sent(params, override, expected):
    assert applied(params, plan_of({"x": override})) == expected


def test_what_the_caller_sends_beside_keeps_its_bytes_and_its_order():
    params = b'{"name":"t","arguments": {"z" : 12345678901234567890.10, "x":0, "a":{"k": [ ]},"s":"\\ud83d"}}'
    assert applied(params, plan_of({"x": {"fixed": 7}})) == (
        b'{"name":"t","arguments":{"z":12345678901234567890.10,"a":{"k": [ ]},"s":"\\ud83d","x":7}}'
    )


@pytest.mark.parametrize("spelt", ['"tenant"', '"t\\u0065nant"', '"Tenant"', '"TENANT"', '"ten\\u0041nt"'])
def test_no_spelling_of_a_withheld_name_reaches_the_backend(spelt):
    params = b'{"arguments":{"tenant":"mine",%b:"evil","other":1}}' % spelt.encode()
    assert applied(params, plan_of({"tenant": {"fixed": "ours"}}, "tenant", "other")) == (
        b'{"arguments":{"other":1,"tenant":"ours"}}'
    )
    assert applied(params, plan_of({"tenant": {"hidden": True}})) == b'{"arguments":{"other":1}}'


def test_a_name_that_the_tool_has_beside_the_withheld_one_is_the_callers_own():
    assert sent({"id": {"hidden": True}}, {"id": 1, "ID": 2, "Id": 3}, "id", "ID") == {"ID": 2}
    assert sent({"id": {"fixed": 0}, "ID": {"default": 9}}, {}) == {"ID": 9, "id": 0}


@pytest.mark.parametrize("spelt", [b"Arguments", b"ARGUMENTS", b"\\u0041rguments"])
def test_arguments_under_a_name_that_only_lax_readers_take_for_it_are_dropped(spelt):
    params = b'{"arguments":{"x":1},"%b":{"tenant":"evil"},"name":"t"}' % spelt
    assert applied(params, plan_of({"tenant": {"fixed": "ours"}})) == (
        b'{"arguments":{"x":1,"tenant":"ours"},"name":"t"}'
    )


@pytest.mark.parametrize("arguments", [b"[]", b"7", b'"x"', b"true"])
def test_arguments_that_are_no_object_are_refused(arguments):
    with pytest.raises(InvalidParamsError, match='"arguments" must be an object'):
        applied(b'{"arguments":%b}' % arguments, plan_of({"x": {"fixed": 1}}))


def test_an_integer_of_any_size_is_sent_as_written():
    assert applied(b"{}", plan_of({"x": {"fixed": 10**30}})) == b'{"arguments":{"x":1000000000000000000000000000000}}'


@given(OVERRIDES, ARGUMENTS, st.sets(NAMES))
def test_withheld_arguments_never_depend_on_the_caller_and_all_others_always_do(overrides, arguments, properties):
    result = sent(overrides, arguments, *properties)
    withheld = {name for name, each in overrides.items() if "fixed" in each or each.get("hidden")}
    assert {name: result[name] for name in withheld if name in result} == {
        name: overrides[name].get("fixed", overrides[name].get("default"))
        for name in withheld
        if {"fixed", "default"} & set(overrides[name])
    }
    folded = {name.casefold() for name in withheld}
    for name, value in arguments.items():
        if name in withheld:
            continue
        if name.casefold() not in folded or name in properties or name in overrides:
            assert result[name] == value
        else:
            assert name not in result
    for name, each in overrides.items():
        if name not in withheld and name not in arguments:
            assert result[name] == each["default"]
    assert result.keys() <= arguments.keys() | overrides.keys()


@given(OVERRIDES, ARGUMENTS | st.none(), st.sets(NAMES))
def test_doing_it_twice_is_doing_it_once(overrides, arguments, properties):
    plan = plan_of(overrides, *properties)
    once = applied(json.dumps({"arguments": arguments}).encode(), plan)
    assert applied(once, plan) == once


@given(OVERRIDES, st.sets(NAMES), st.randoms(use_true_random=False))
def test_equal_settings_make_equal_plans_in_whatever_order_they_are_written(overrides, properties, random):
    shuffled = list(overrides.items())
    random.shuffle(shuffled)
    one, other = plan_of(overrides, *properties), plan_of(dict(shuffled), *properties)
    assert one == other
    assert msgspec.msgpack.encode(one, order="deterministic") == msgspec.msgpack.encode(other, order="deterministic")
