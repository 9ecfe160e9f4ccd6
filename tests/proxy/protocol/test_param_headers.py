"""Arguments that travel as headers: what schemas say of them, how values are written, and the check."""

import json

import pytest
from mcp.shared.inbound import (
    find_invalid_x_mcp_header,
    mcp_param_headers,
    x_mcp_header_map,
)

from vmcp_proxy.protocol.modern.param_headers import (
    BadAnnotation,
    ParamHeader,
    find_mismatch,
    headers_for,
    read_param_headers,
)

REGION = {"type": "string", "x-mcp-header": "Region"}


def of_schema(schema: object):
    return read_param_headers(json.dumps({"name": "t", "inputSchema": schema}).encode())


def properties(**named: object) -> dict[str, object]:
    return {"type": "object", "properties": named}


@pytest.mark.parametrize(
    "schema",
    [
        True,
        {},
        properties(region=REGION),
        properties(a=properties(region=REGION), b={"type": "integer", "x-mcp-header": "B"}),
        properties(**{"x-mcp-header": REGION}),
        properties(a={"type": "string", "default": {"x-mcp-header": "no"}, "enum": [{"x-mcp-header": 1}]}),
        properties(a={"$ref": "#/$defs/x"}) | {"$defs": {"x": {"type": "string"}}},
        {"x-mcp-header": "Root"},
        properties(a={"x-mcp-header": "A"}),
        properties(a={"type": ["string", "null"], "x-mcp-header": "A"}),
        properties(a={"type": "number", "x-mcp-header": "A"}),
        properties(a={"type": "string", "x-mcp-header": ""}),
        properties(a={"type": "string", "x-mcp-header": "a b"}),
        properties(a={"type": "string", "x-mcp-header": "ä"}),
        properties(a={"type": "string", "x-mcp-header": 7}),
        properties(a={"type": "string", "x-mcp-header": None}),
        properties(a=REGION, b=REGION | {"x-mcp-header": "REGION"}),
        properties(a={"type": "array", "items": REGION}),
        properties(a={"type": "array", "prefixItems": [REGION]}),
        {"anyOf": [properties(region=REGION)]},
        {"if": properties(region=REGION)},
        {"$defs": {"x": properties(region=REGION)}},
        {"patternProperties": {".*": REGION}},
        {"additionalProperties": REGION},
        {"dependentSchemas": {"a": properties(region=REGION)}},
    ],
)
def test_a_schema_is_read_as_sdk_clients_read_it(schema):
    read = of_schema(schema)
    if find_invalid_x_mcp_header(schema) is not None:
        assert isinstance(read, BadAnnotation)
        assert "x-mcp-header" in read.reason
    else:
        declared = {path: f"Mcp-Param-{token}" for path, token in x_mcp_header_map(schema).items()}
        assert {each.path: each.name for each in read} == declared


def test_an_annotation_is_found_however_its_name_is_spelt():
    raw = rb'{"name":"t","inputSchema":{"properties":{"a":{"type":"string","x-mcp-heade\u0072":"A","t":"\ud800"}}}}'
    assert read_param_headers(raw) == (ParamHeader(("a",), "Mcp-Param-A", "string"),)


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"s": None, "i": None, "b": None},
        {"s": "eu", "i": 7, "b": True},
        {"s": "süd", "i": -(2**70), "b": False},
        {"s": 5, "i": "7", "b": "true"},
        {"s": ["a"], "i": {"x": 1}, "b": []},
        {"n": {"d": "deep"}},
        {"n": {"d": None}},
        {"n": "flat"},
    ],
)
def test_headers_are_those_that_sdk_clients_send(arguments):
    schema = properties(
        s={"type": "string", "x-mcp-header": "S"},
        i={"type": "integer", "x-mcp-header": "I"},
        b={"type": "boolean", "x-mcp-header": "B"},
        n=properties(d={"type": "string", "x-mcp-header": "D"}),
    )
    declared = of_schema(schema)
    sent = headers_for(declared, json.dumps(arguments).encode())
    told = {name.decode(): value.decode() for name, value in sent}
    assert told == mcp_param_headers(x_mcp_header_map(schema), arguments)
    assert not find_mismatch(declared, json.dumps(arguments).encode(), lambda name: dict(told_bytes(sent)).get(name))


def told_bytes(sent):
    return [(name.decode(), value) for name, value in sent]


INTEGER = (ParamHeader(("a",), "Mcp-Param-A", "integer"),)
STRING = (ParamHeader(("a",), "Mcp-Param-A", "string"),)


@pytest.mark.parametrize(
    ("declared", "arguments", "header", "says"),
    [
        (STRING, b'{"a":"x"}', b"x", ""),
        (STRING, b'{"a":"x"}', b"y", "does not say what"),
        (STRING, b'{"a":"x"}', b"X", "does not say what"),
        (STRING, b'{"a":"x"}', None, "came without the header"),
        (STRING, b'{"a":null}', b"x", "came without the argument"),
        (STRING, b"{}", b"x", "came without the argument"),
        (STRING, None, None, ""),
        (STRING, b'{"a":"x"}', b"=?base64?eA==?=", ""),
        (STRING, b'{"a":"x"}', b"=?base64?eA?=", "does not say what"),
        (INTEGER, b'{"a":42}', b"42.0", ""),
        (INTEGER, b'{"a":42.0}', b"42", ""),
        (INTEGER, b'{"a":4.2e1}', b"42", ""),
        (INTEGER, b'{"a":42}', b"42.5", "does not say what"),
        (INTEGER, b'{"a":42}', b"043", "does not say what"),
        (INTEGER, b'{"a":9007199254740993}', b"9007199254740992", "does not say what"),
        (STRING, b'{"a":"42"}', b"42.0", "does not say what"),
        (INTEGER, b'{"a":1e999}', b"1", "came without the argument"),
        (INTEGER, b'{"a":1}', b"1" * 10_000, "does not say what"),
    ],
)
def test_a_header_that_contradicts_its_argument_is_named(declared, arguments, header, says):
    found = find_mismatch(declared, arguments, lambda name: header if name == "Mcp-Param-A" else None)
    assert (says in found) if says else found == ""
    if says:
        assert "Mcp-Param-A" in found
