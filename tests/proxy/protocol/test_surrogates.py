r"""Lone surrogate escapes (`"\ud83d"`) are relayed to the byte and never where a name is read."""

import json

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from vmcp_proxy.protocol.jsonrpc import Malformed, Notification, Request, Response, parse_message
from vmcp_proxy.protocol.params import InvalidParamsError, inbound_result, parse_members, text_of
from vmcp_proxy.protocol.surrogates import decode_items, decode_members, encode_members, mask

PIECES = st.lists(
    st.sampled_from(
        [r"\ud83d", r"\uDE00", r"\uD800", r"\udfff", r"\\", r"\"", r"\n", "ud83d", "~", "a", "é", "😀", r"😀", "d8"]
    ),
    max_size=12,
).map("".join)


def raw(text: str) -> bytes:
    return f'"{text}"'.encode()


@given(PIECES, PIECES)
@example(r"\\ud83d", r"\ud83d\ud83d\ude00")
@example(r"\ud83d\\ude00", r"\\\ud83d")
def test_params_and_results_keep_every_byte(first, second):
    value = b'{"a":%b,"b":[%b,1.0, null]}' % (raw(first), raw(second))
    request = parse_message(b'{"jsonrpc":"2.0","id":1,"method":"m","params":%b}' % value)
    assert isinstance(request, Request)
    assert bytes(request.params) == value
    response = parse_message(b'{"jsonrpc":"2.0","id":"x","result":%b}' % value)
    assert isinstance(response, Response)
    assert bytes(response.result) == value
    assert bytes(decode_members(value)["a"]) == raw(first)
    assert [bytes(item) for item in decode_items(decode_members(value)["b"])] == [raw(second), b"1.0", b"null"]


@given(PIECES)
def test_what_is_masked_comes_back_and_the_masked_text_is_json_for_every_reader(text):
    masked = mask(raw(text))
    if masked is None:
        msgspec.json.decode(raw(text))
        return
    assert bytes(masked.restore(masked.text)) == raw(text)
    assert masked.restore_text(msgspec.json.decode(masked.text)) == json.loads(raw(text))


@given(st.dictionaries(st.text(st.sampled_from('a\ud800\udfff"\\é\n'), max_size=4), st.integers()))
def test_names_of_members_survive(values):
    text = json.dumps(values, separators=(",", ":")).encode()
    members = decode_members(text)
    assert list(members) == list(json.loads(text))
    assert json.loads(encode_members(members)) == json.loads(text)


@pytest.mark.parametrize(
    "body",
    [
        rb'{"jsonrpc":"2.0","id":"\ud800","method":"m"}',
        rb'{"jsonrpc":"2.0","id":1,"method":"m\ud800"}',
        rb'{"jsonrpc":"2.0\ud800","id":1,"method":"m"}',
        rb'[{"jsonrpc":"2.0","id":1,"method":"m\ud800"}]',
    ],
)
def test_ids_and_methods_with_a_lone_surrogate_are_refused(body):
    answer = parse_message(body)
    assert isinstance(answer, Malformed)
    assert answer.code == -32600


@pytest.mark.parametrize(
    "params",
    [rb'{"a":"\ud800}', rb'{"a":"\ud800",}', rb'{"a":"\ud800","b":NaN}', rb'{"a":"\ud8"}', b'{"a":"\xed\xa0\x80"}'],
)
def test_what_is_no_json_besides_is_refused(params):
    answer = parse_message(b'{"jsonrpc":"2.0","method":"m","params":%b}' % params)
    assert isinstance(answer, Malformed)
    assert answer.code == -32700


def test_a_member_that_nobody_knows_does_no_harm():
    message = parse_message(rb'{"jsonrpc":"2.0","\ud800":"\ud800","method":"m"}')
    assert isinstance(message, Notification)


def test_a_text_with_a_lone_surrogate_is_no_name():
    with pytest.raises(InvalidParamsError):
        text_of(parse_members(rb'{"name":"\ud800"}'), "name")


def test_no_reserved_key_hides_behind_a_lone_surrogate():
    result = rb'{"content":["\ud800"],"_meta":{"vmcp.dev/x":1,"a":"\ud800"}}'
    assert inbound_result(result) == rb'{"content":["\ud800"],"_meta":{"a":"\ud800"}}'
