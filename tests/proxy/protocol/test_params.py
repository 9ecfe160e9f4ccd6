"""Raw members: one is read or replaced, the rest stays as it came."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmcp_proxy.protocol.params import (
    PARAMS,
    InvalidParamsError,
    client_result,
    drop_lookalikes,
    encode_members,
    inbound_result,
    optional_text_of,
    outbound_meta,
    parse_members,
    raw_text,
    text_of,
)

RAW = b'{"z":1.0,"a":18446744073709551616,"s":"\\u00e9","n":null,"o":{"b":1, "a" : [ ]}}'


def test_members_keep_their_order_and_bytes():
    assert encode_members(parse_members(RAW)) == RAW


@given(st.dictionaries(st.text(st.characters(exclude_categories=("Cs",))), st.integers() | st.booleans() | st.none()))
def test_any_object_survives(members):
    assert json.loads(encode_members(parse_members(json.dumps(members).encode()))) == members


@pytest.mark.parametrize("raw", [b"[]", b"5", b"null", b'"x"', b"{", b'{"a":}', b"\xff", b"[" * 50_000])
def test_what_is_no_object_is_invalid(raw):
    with pytest.raises(InvalidParamsError):
        parse_members(raw)


def test_absent_params_are_an_empty_object():
    assert parse_members(None) == {}


def test_texts_are_texts():
    members = parse_members(b'{"a":"\\u0041","n":null,"i":5}')
    assert text_of(members, "a") == "A"
    assert optional_text_of(members, "n") is None
    assert optional_text_of(members, "absent") is None
    for name in ("n", "i", "absent"):
        with pytest.raises(InvalidParamsError, match=name):
            text_of(members, name)
    with pytest.raises(InvalidParamsError):
        optional_text_of(members, "i")
    assert bytes(raw_text('a"b')) == b'"a\\"b"'


@pytest.mark.scenario("A-11")
@pytest.mark.parametrize(
    ("meta", "token", "sent"),
    [
        (b'{"progressToken":"t"}', b'"t"', b'{"progressToken":9}'),
        (b'{"progressToken":"t","ProgressToken":7,"progre\\u017f\\u017fToken":8}', b'"t"', b'{"progressToken":9}'),
        (b'{"ProgressToken":7}', None, None),
        (b'{"progressToken":5,"k":{"x":1.0}}', b"5", b'{"k":{"x":1.0},"progressToken":9}'),
        (b'{"k":1}', None, b'{"k":1}'),
        (b"{}", None, None),
        (b"null", None, None),
        (b'{"vmcp.dev/x":1,"io.modelcontextprotocol/clientInfo":2}', None, None),
        (b'{"io.modelcontextprotocol/ClientInfo":1,"IO.modelcontextprotocol/logLevel":2}', None, None),
        (b'{"io.modelcontextprotocol/related-task":{"taskId":"t"}}', None, None),
        (b'{"io.modelcontextprotocol/later":2}', None, b'{"io.modelcontextprotocol/later":2}'),
        (b'{"vmcp.dev/x":1,"vmcp.devel/k":2}', None, b'{"vmcp.devel/k":2}'),
    ],
)
def test_the_callers_token_is_taken_out_and_ours_put_in(meta, token, sent):
    members = parse_members(b'{"name":"n","_meta":' + meta + b"}")
    found = outbound_meta(members, 9)
    assert (None if found is None else bytes(found)) == token
    assert encode_members(members) == (b'{"name":"n"}' if sent is None else b'{"name":"n","_meta":' + sent + b"}")


def test_without_meta_nothing_is_put_in():
    members = parse_members(b'{"name":"n"}')
    assert outbound_meta(members, 9) is None
    assert encode_members(members) == b'{"name":"n"}'


def test_meta_that_is_no_object_is_invalid():
    with pytest.raises(InvalidParamsError):
        outbound_meta(parse_members(b'{"_meta":5}'), 9)


@pytest.mark.scenario("A-11")
@pytest.mark.parametrize(
    ("raw", "relayed"),
    [
        (RAW, RAW),
        (b'{"a": 1 ,"_meta":{"k": 1}}', b'{"a": 1 ,"_meta":{"k": 1}}'),
        (b'{"a": 1,"_meta":{"vmcp.dev/backend":"x","k": 1}}', b'{"a":1,"_meta":{"k":1}}'),
        (b'{"a":1,"_meta":{"io.modelcontextprotocol/serverInfo":1}}', b'{"a":1,"_meta":{}}'),
        (b'{"a":1,"_meta":{"io.modelcontextprotocol/x":1}}', b'{"a":1,"_meta":{"io.modelcontextprotocol/x":1}}'),
        (b'{"a":1,"\\u005fmeta":{"vmcp.dev/x":1,"k":2}}', b'{"a":1,"_meta":{"k":2}}'),
        (b'{"_meta":5}', b'{"_meta":5}'),
        (b'{"text":"_meta"}', b'{"text":"_meta"}'),
    ],
)
def test_a_result_loses_only_the_keys_of_this_hop(raw, relayed):
    assert bytes(inbound_result(msgspec.Raw(raw))).replace(b" ", b"") == relayed.replace(b" ", b"")
    if raw == relayed:
        assert bytes(inbound_result(raw)) == raw


@pytest.mark.scenario("X-2")
@pytest.mark.parametrize("other", ["Name", "NAME", "nAmE", "ARGUMENTS", "Ref", "_META", "argument\u017f"])
def test_what_differs_from_a_member_of_the_protocol_by_case_alone_goes(other):
    members = parse_members(json.dumps({"name": "a", "arguments": {}, other: "b", "Other": 1, "x": 2}).encode())
    assert drop_lookalikes(members, PARAMS)
    assert list(members) == ["name", "arguments", "Other", "x"]


def test_params_without_lookalikes_stay_as_they_are():
    members = parse_members(b'{"name":"a","arguments":{"Name":1},"Other":1}')
    assert not drop_lookalikes(members, PARAMS)
    assert encode_members(members) == b'{"name":"a","arguments":{"Name":1},"Other":1}'


@pytest.mark.parametrize(
    ("raw", "relayed"),
    [
        (b'{"a": 1}', b'{"a": 1}'),
        (b'{"a": 1, "_meta": {"k": 1}}', b'{"a": 1, "_meta": {"k": 1}}'),
        (b'{"a":1,"_meta":{"k":1,"baggage":"user=a","Traceparent":"x","vmcp.dev/x":1}}', b'{"a":1,"_meta":{"k":1}}'),
        (b'{"a":1,"_Meta":{"baggage":"user=a"}}', b'{"a":1}'),
        (b"5", b"5"),
    ],
)
def test_an_answer_of_a_client_loses_what_belongs_to_this_hop_and_its_trace(raw, relayed):
    assert bytes(client_result(msgspec.Raw(raw))) == relayed


def test_members_of_rounds_have_lookalikes_too():
    members = parse_members(b'{"requestState":"a","RequestState":"b","requeststate":"c","INPUTRESPONSES":{}}')
    assert drop_lookalikes(members, PARAMS)
    assert list(members) == ["requestState"]
