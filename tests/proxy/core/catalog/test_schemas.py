"""What callers see of a tool's schema where the settings say something about its arguments."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.proxy.core.builders import merged, raw_tool, settings
from tests.proxy.core.catalog.test_arguments import NAMES, OVERRIDES
from vmcp_api.spec.aggregation import ToolOverride
from vmcp_proxy.core.catalog.capabilities import Descriptor, Listing, Outcome, Unmatched
from vmcp_proxy.core.catalog.overrides import property_names, rewrite_descriptor
from vmcp_proxy.protocol.kinds import Kind


def rewritten(schema: bytes, **arguments: dict[str, Any]) -> bytes:
    """The schema of a tool after these overrides; the tool's other members are compared here."""
    override = ToolOverride.model_validate({"arguments": arguments}, by_alias=True, by_name=False)
    raw = b'{"name":"t","inputSchema":%b,"z":1.50}' % schema
    result = rewrite_descriptor(raw, name=None, override=override)
    assert result.startswith(b'{"name":"t","inputSchema":')
    assert result.endswith(b',"z":1.50}')
    return result[len(b'{"name":"t","inputSchema":') : -len(b',"z":1.50}')]


SCHEMA = (
    b'{"$schema":"https://json-schema.org/draft/2020-12/schema","type":"object","properties":{"x":{"type": "string"},'
    b'"y":{"b":1, "a":[ ],"default":3},"z":{"minimum":1.50}},"required":["z","x"],"additionalProperties":false,'
    b'"$defs":{"x":{"type":"null"}},"x-own":12345678901234567890.0}'
)


@pytest.mark.parametrize("override", [{"fixed": None}, {"hidden": True}, {"default": 1, "hidden": True}])
def test_a_withheld_argument_is_neither_a_property_nor_required_and_all_else_is_as_it_was(override):
    expected = SCHEMA.replace(b'"x":{"type": "string"},', b"").replace(b'["z","x"]', b'["z"]')
    assert rewritten(SCHEMA, x=override) == expected


def test_a_visible_default_stands_in_the_schema_and_the_argument_is_no_longer_required():
    expected = SCHEMA.replace(b'{"type": "string"}', b'{"type":"string","default":{"k":[null]}}')
    expected = expected.replace(b'["z","x"]', b'["z"]')
    assert rewritten(SCHEMA, x={"default": {"k": [None]}}) == expected
    assert rewritten(SCHEMA, y={"default": None}) == SCHEMA.replace(
        b'{"b":1, "a":[ ],"default":3}', b'{"b":1,"a":[ ],"default":null}'
    )


def test_required_goes_with_its_last_entry():
    assert rewritten(b'{"required":["x"],"type":"object"}', x={"hidden": True}) == b'{"type":"object"}'
    assert rewritten(b'{"required":[],"type":"object"}', x={"hidden": True}) == b'{"required":[],"type":"object"}'


@pytest.mark.parametrize(
    "schema",
    [
        b'{ "type" : "object" }',
        b'{ "properties" : { "a" : { } } , "required" : [ "a" ] }',
        b'{ "$ref" : "#/$defs/all" , "$defs" : { "all" : { "properties" : { "x" : { } } } } }',
        b'{ "allOf" : [ { "properties" : { "x" : { } } , "required" : [ "x" ] } ] }',
        b'{ "properties" : [ ] , "required" : { "x" : 1 } }',
        b'{ "properties" : null , "required" : [ 7 , null ] }',
    ],
)
def test_a_schema_that_does_not_name_the_argument_at_its_top_is_the_same_bytes(schema):
    assert rewritten(schema, x={"hidden": True}) == schema


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        (b"true", b'{"default":1}'),
        (b"{ }", b'{"default":1}'),
        (b"false", b"false"),
        (b'"odd"', b'"odd"'),
    ],
)
def test_a_default_stands_where_a_schema_has_a_place_for_it(part, expected):
    assert rewritten(b'{"properties":{"x":%b}}' % part, x={"default": 1}) == b'{"properties":{"x":%b}}' % expected


def test_a_name_is_recognised_however_the_backend_spells_it():
    schema = b'{"properties":{"\\u0078":{},"y\\ud83d":{"k":1}},"required":["\\u0078","y\\ud83d"]}'
    assert rewritten(schema, x={"fixed": 1}) == b'{"properties":{"y\\ud83d":{"k":1}},"required":["y\\ud83d"]}'
    assert property_names(b'{"inputSchema":%b}' % schema) == {"x", "y\ud83d"}


@given(OVERRIDES, st.dictionaries(NAMES, st.sampled_from([{}, {"type": "string"}, {"default": 9}])), st.sets(NAMES))
def test_callers_see_exactly_what_they_may_send(overrides, properties, required):
    schema = json.dumps({"properties": properties, "required": sorted(required)}, separators=(",", ":")).encode()
    seen = json.loads(rewritten(schema, **overrides))
    withheld = {name for name, each in overrides.items() if "fixed" in each or each.get("hidden")}
    assert list(seen["properties"]) == [name for name in properties if name not in withheld]
    for name, part in seen["properties"].items():
        given_default = {"default": overrides[name]["default"]} if name in overrides else {}
        assert part == properties[name] | given_default
    assert seen.get("required", []) == [name for name in sorted(required) if name not in overrides]


def using(**arguments: dict[str, Any]):
    return settings(tools=[{"workload": "one", "overrides": {"t": {"arguments": arguments}}}])


def listing(**properties: dict[str, Any]) -> Listing:
    raw = raw_tool("t", inputSchema={"type": "object", "properties": properties})
    return Listing("one", tools=(Descriptor(Kind.TOOL, "t", raw),))


def test_an_argument_that_the_tool_does_not_have_is_reported_and_its_value_sent_all_the_same():
    catalog = merged(
        listing(x={}), using=using(gone={"fixed": 1}, odd={"default": 2}, other={"hidden": True}, x={"fixed": 3})
    )
    assert catalog.unmatched == tuple(Unmatched("one", "arguments", f"t.{name}") for name in ("gone", "odd", "other"))
    (tool,) = catalog.tools
    assert tool.arguments.forced == (("gone", b"1"), ("x", b"3"))
    assert tool.arguments.defaults == (("odd", b"2"),)


def test_the_plan_knows_the_properties_of_the_tool_that_differ_from_a_withheld_one_by_case():
    (tool,) = merged(listing(id={}, ID={}, other={}), using=using(id={"hidden": True})).tools
    assert tool.arguments.kept == {"ID"}


def test_nothing_is_reported_of_a_backend_whose_tools_may_be_missing():
    catalog = merged(listing(), using=using(gone={"fixed": 1}), one=Outcome("timeout", "late"))
    assert catalog.unmatched == ()


def test_a_tool_without_such_settings_has_no_plan_and_keeps_its_bytes():
    one = listing(x={})
    catalog = merged(one, using=settings("manual", tools=[{"workload": "one", "overrides": {"t": {}}}]))
    assert catalog.tools[0].arguments is None
    assert catalog.tools[0].raw is one.tools[0].raw


def test_a_hidden_tool_keeps_its_plan_for_those_who_may_use_it():
    hiding = settings(
        tools=[{"workload": "one", "excludeAll": True, "overrides": {"t": {"arguments": {"x": {"fixed": 1}}}}}]
    )
    (tool,) = merged(listing(x={}), using=hiding).hidden
    assert tool.arguments.forced == (("x", b"1"),)


def test_another_fixed_value_is_another_version_but_nothing_that_a_client_is_told_of():
    first, second = (merged(listing(x={}), using=using(x={"fixed": value})) for value in (1, 2))
    assert first.version != second.version
    assert first.digest_of(Kind.TOOL) == second.digest_of(Kind.TOOL)
    shown = (merged(listing(x={}), using=using(x={"default": value})) for value in (1, 2))
    assert len({catalog.digest_of(Kind.TOOL) for catalog in shown}) == 2


def test_a_rewritten_descriptor_is_valid_json():
    (tool,) = merged(listing(x={}, y={"type": "integer"}), using=using(x={"hidden": True}, y={"default": 2})).tools
    assert msgspec.json.decode(tool.raw)["inputSchema"] == {
        "type": "object",
        "properties": {"y": {"type": "integer", "default": 2}},
    }
