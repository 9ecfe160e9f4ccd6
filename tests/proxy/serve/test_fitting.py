"""What clients get of output schemas and structured content: up to MCP 2025-11-25 they read objects alone."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.mutation import json_values
from vmcp_proxy.protocol.jsonrpc import Marks, Response, encode_result, parse_answer, parse_message
from vmcp_proxy.protocol.kinds import Kind
from vmcp_proxy.protocol.params import inbound_result, marks_of
from vmcp_proxy.serve.legacy.fitting import fit_entry, fit_tool_result

BEFORE = b'{"z":[1.0,  1E2],"content":[{"type":"text","text":"\\u00e9\\/ \\ud83d"}],'
AFTER = b'"big":12345678901234567890123,"_meta":{"k":[ ]}}'
READERS = [parse_message, lambda body: parse_answer(body, b"7")]


def relayed(result: bytes, read) -> bytes:
    answer = read(encode_result(b"7", result))
    assert isinstance(answer, Response)
    assert answer.result is not None
    marks = marks_of(answer.result) if answer.marks is None else answer.marks
    return bytes(fit_tool_result(inbound_result(answer.result, answer.marks), marks))


@pytest.mark.parametrize("read", READERS)
@given(value=json_values)
def test_structured_content_of_another_root_is_taken_out_and_all_else_stays(read, value):
    raw = json.dumps(value).encode()
    result = b"%b%b : %b ,%b" % (BEFORE, b'"structuredContent"', raw, AFTER)
    assert relayed(result, read) == (result if isinstance(value, dict) else BEFORE + AFTER)


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("name", [b"structuredContent", b"structured\\u0043ontent"])
@pytest.mark.parametrize("value", [b"[1,2]", b'"text"', b"null", b"5", b"false", b"1e400"])
def test_it_goes_however_its_name_is_written_and_together_with_the_keys_of_this_hop(read, name, value):
    result = b'{"content":[],"%b":%b,"_meta":{"vmcp.dev/x":1,"k":2}}' % (name, value)
    assert relayed(result, read) == b'{"content":[],"_meta":{"k":2}}'
    assert relayed(b'{"_meta":5,"%b":%b}' % (name, value), read) == b'{"_meta":5}'
    assert relayed(b'{"%b":%b}' % (name, value), read) == b"{}"


@pytest.mark.parametrize("read", READERS)
def test_of_repeated_structured_content_the_last_counts(read):
    assert relayed(b'{"structuredContent":{},"a":1,"structuredContent":[]}', read) == b'{"a":1}'
    good = b'{"structuredContent":[], "structuredContent":{}}'
    assert relayed(good, read) == good


@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), json_values))
def test_a_result_with_an_object_is_the_very_same(content):
    structured = json.dumps(content).encode()
    raw = msgspec.Raw(b'{"structuredContent":%b,"content":[],"_meta":{}}' % structured)
    assert fit_tool_result(raw, marks_of(raw)) is raw
    assert fit_tool_result(raw, Marks(structured=msgspec.Raw(structured))) is raw


def test_what_the_core_relays_keeps_it_whatever_it_is():
    raw = b'{"structuredContent":[1]}'
    assert inbound_result(raw) is raw


UNFIT = [
    b'{"type":"array", "items":{}}',
    b'{"type":["object","null"]}',
    b'{"type":null}',
    b'{"oneOf":[{"type":"object"}]}',
    b'{"type":"array","properties":[]}',
    b'{"title":"\\ud83d"}',
    b"{}",
]


@pytest.mark.parametrize("name", [b"outputSchema", b"output\\u0053chema"])
@pytest.mark.parametrize("schema", UNFIT)
def test_an_output_schema_whose_root_is_no_object_goes_and_all_else_stays(schema, name):
    raw = b'{"z":1.0,"name":"e","%b":%b,"inputSchema":{ },"t":"\\ud83d"}' % (name, schema)
    assert fit_entry(Kind.TOOL, raw) == b'{"z":1.0,"name":"e","inputSchema":{ },"t":"\\ud83d"}'
    assert fit_entry(Kind.RESOURCE, raw) is raw


@pytest.mark.parametrize(
    "raw",
    [
        b'{"name":"e","inputSchema":{}}',
        b'{"name":"\\u00e9","inputSchema":{}}',
        b'{"name":"e","outputSchema":{"type":"object"}}',
        b'{"name":"e","outputSchema":{ "type": "\\u006fbject", "title":"\\ud83d", "oneOf":[]}}',
        b'{"name":"e","outputSchema":{"type":"string"},"outputSchema":{"type":"object"}}',
        b'{"name":"e","x":{"outputSchema":{"type":"string"}}}',
    ],
)
def test_an_entry_that_is_fit_is_the_very_same(raw):
    assert fit_entry(Kind.TOOL, raw) is raw
