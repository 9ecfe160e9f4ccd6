"""What clients get of a tool's structured content: up to MCP 2025-11-25 they read objects and nothing else."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.mutation import json_values
from vmcp_proxy.protocol.jsonrpc import Marks, Response, encode_result, parse_answer, parse_message
from vmcp_proxy.protocol.params import inbound_result, inbound_tool_result

BEFORE = b'{"z":[1.0,  1E2],"content":[{"type":"text","text":"\\u00e9\\/ \\ud83d"}],'
AFTER = b'"big":12345678901234567890123,"_meta":{"k":[ ]}}'
READERS = [parse_message, lambda body: parse_answer(body, b"7")]


def relayed(result: bytes, read) -> bytes:
    answer = read(encode_result(b"7", result))
    assert isinstance(answer, Response)
    assert answer.result is not None
    return bytes(inbound_tool_result(answer.result, answer.marks))


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
    assert inbound_tool_result(raw) is raw
    assert inbound_tool_result(raw, Marks(structured=msgspec.Raw(structured))) is raw


def test_what_is_no_result_of_a_tool_keeps_a_member_of_that_name():
    raw = b'{"structuredContent":[1]}'
    assert inbound_result(raw) is raw
