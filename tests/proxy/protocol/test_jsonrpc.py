"""Envelopes: what is a message, what is none, and that nothing inside changes."""

import json

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from vmcp_proxy.protocol.jsonrpc import (
    INVALID_REQUEST,
    PARSE_ERROR,
    Malformed,
    Notification,
    Request,
    Response,
    encode_error,
    encode_notification,
    encode_raw_error,
    encode_request,
    encode_result,
    parse_message,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=40)
IDS = st.integers() | TEXT


@given(IDS, TEXT, st.none() | st.dictionaries(TEXT, st.integers() | TEXT))
def test_a_request_keeps_its_id_and_params_to_the_byte(request_id, method, params):
    body = {"jsonrpc": "2.0", "id": request_id, "method": method}
    if params is not None:
        body["params"] = params
    raw = json.dumps(body, ensure_ascii=False).encode()
    message = parse_message(raw)
    if len(json.dumps(request_id, ensure_ascii=False).encode()) > 512:
        assert isinstance(message, Malformed)
        return
    assert isinstance(message, Request)
    assert message.method == method
    assert message.id == json.dumps(request_id, ensure_ascii=False).encode()
    kept = None if message.params is None else bytes(message.params)
    assert kept == (None if params is None else json.dumps(params, ensure_ascii=False).encode())


@given(IDS, JSON)
@example(1, None)
def test_answers_come_back_as_they_were_encoded(request_id, value):
    raw_id = json.dumps(request_id).encode()
    raw = msgspec.json.encode(value) if not _is_huge(value) else json.dumps(value).encode()
    for body, is_result in ((encode_result(raw_id, raw), True), (encode_raw_error(raw_id, raw), False)):
        message = parse_message(body)
        assert isinstance(message, Response), body
        assert (message.id, bytes(message.result if is_result else message.error)) == (raw_id, raw)
        assert (message.error if is_result else message.result) is None


def _is_huge(value):
    try:
        msgspec.json.encode(value)
    except (OverflowError, UnicodeEncodeError):
        return True
    return False


@given(st.binary(max_size=200))
@example(b"")
@example(b"\xff")
@example(b"null")
@example(b'{"jsonrpc":"2.0","id":1,"method":"\\ud800"}')
@example(b"{" * 100_000)
@example(b'{"jsonrpc":"2.0","id":1,"method":"a","params":' + b"[" * 100_000)
def test_no_bytes_make_the_parser_raise(body):
    message = parse_message(body)
    if isinstance(message, Malformed):
        assert message.code in (PARSE_ERROR, INVALID_REQUEST)
        json.loads(encode_error(message.id, message.code, message.message))


@given(
    st.dictionaries(st.sampled_from(["jsonrpc", "id", "method", "params", "result", "error", "x"]), JSON, max_size=7)
)
def test_every_object_is_classified_by_its_members(members):
    message = parse_message(json.dumps({"jsonrpc": "2.0"} | members).encode())
    if isinstance(message, Request):
        assert isinstance(members["method"], str)
        assert isinstance(members["id"], str | int)
        assert not isinstance(members["id"], bool)
    elif isinstance(message, Notification):
        assert "id" not in members
        assert isinstance(members["method"], str)
    elif isinstance(message, Response):
        assert "method" not in members
        assert ("result" in members) != ("error" in members)


@pytest.mark.parametrize(
    ("body", "code", "request_id"),
    [
        (b"", PARSE_ERROR, None),
        (b"{", PARSE_ERROR, None),
        (b'{"jsonrpc":"2.0","id":1,"method":"a"} {}', PARSE_ERROR, None),
        (b'{"jsonrpc":"2.0","id":1,"method":"a","params":{"x":NaN}}', PARSE_ERROR, None),
        (b'\xef\xbb\xbf{"jsonrpc":"2.0","id":1,"method":"a"}', PARSE_ERROR, None),
        (b'{"jsonrpc":"2.0","id":1,"method":"a","params":{"x":"\xc0\x80"}}', PARSE_ERROR, None),
        (b"[]", INVALID_REQUEST, None),
        (b' \n[{"jsonrpc":"2.0","id":1,"method":"a"}]', INVALID_REQUEST, None),
        (b"7", INVALID_REQUEST, None),
        (b'{"id":1,"method":"a"}', INVALID_REQUEST, None),
        (b'{"jsonrpc":"1.0","id":1,"method":"a"}', INVALID_REQUEST, None),
        (b'{"jsonrpc":"2.0","id":null,"method":"a"}', INVALID_REQUEST, None),
        (b'{"jsonrpc":"2.0","id":1.5,"method":"a"}', INVALID_REQUEST, None),
        (b'{"jsonrpc":"2.0","id":1e3,"method":"a"}', INVALID_REQUEST, None),
        (b'{"jsonrpc":"2.0","id":true,"method":"a"}', INVALID_REQUEST, None),
        (b'{"jsonrpc":"2.0","id":{},"method":"a"}', INVALID_REQUEST, None),
        (b'{"jsonrpc":"2.0","id":"%b","method":"a"}' % (b"x" * 511), INVALID_REQUEST, None),
        (b'{"jsonrpc":"2.0","id":1,"method":5}', INVALID_REQUEST, None),
        (b'{"jsonrpc":"2.0","id":1,"method":"a","params":5}', INVALID_REQUEST, b"1"),
        (b'{"jsonrpc":"2.0","id":"q"}', INVALID_REQUEST, b'"q"'),
        (b'{"jsonrpc":"2.0","id":1,"result":{},"error":{}}', INVALID_REQUEST, b"1"),
        (b'{"jsonrpc":"2.0","result":{}}', INVALID_REQUEST, None),
    ],
)
def test_what_is_no_message_is_refused_with_the_right_code(body, code, request_id):
    message = parse_message(body)
    assert isinstance(message, Malformed)
    assert (message.code, message.id) == (code, request_id)


@pytest.mark.parametrize("request_id", ['"%s"' % ("x" * 511), "1" * 513, '"\\u00e4%s"' % ("x" * 511)])
def test_an_id_that_is_too_long_is_said_to_be_too_long(request_id):
    for member in ('"method":"a"', '"result":{}'):
        message = parse_message(f'{{"jsonrpc":"2.0","id":{request_id},{member}}}'.encode())
        assert (message.code, message.id) == (INVALID_REQUEST, None)
        assert message.message == "The id is longer than 512 bytes."
    for other in ("1.5" + "0" * 600, "[%s]" % ("1," * 300 + "1")):
        message = parse_message(f'{{"jsonrpc":"2.0","id":{other},"method":"a"}}'.encode())
        assert "string or an integer" in message.message


def test_text_and_number_ids_stay_apart():
    assert parse_message(b'{"jsonrpc":"2.0","id":"1","method":"a"}').id == b'"1"'
    assert parse_message(b'{"jsonrpc":"2.0","id":1,"method":"a"}').id == b"1"
    assert parse_message(b'{"jsonrpc":"2.0","id":18446744073709551616,"method":"a"}').id == b"18446744073709551616"


def test_of_a_repeated_member_the_last_one_counts():
    message = parse_message(
        b'{"jsonrpc":"2.0","id":1,"method":"a","method":"b","id":2,"params":{"x":1},"params":{"x":2}}'
    )
    assert (message.id, message.method, bytes(message.params)) == (b"2", "b", b'{"x":2}')


@given(st.integers(0, 2**53), TEXT, st.sampled_from([None, b"{}", b'{"a":[1, 2 ]}']))
def test_our_own_messages_are_messages(number, method, params):
    request = parse_message(encode_request(number, method, params))
    assert (request.id, request.method) == (str(number).encode(), method)
    assert (None if request.params is None else bytes(request.params)) == params
    notification = parse_message(encode_notification(method, params))
    assert isinstance(notification, Notification)
    assert notification.method == method


@given(TEXT, st.integers(-32999, 32999), st.none() | st.just(b'{"k":[1]}'))
def test_our_errors_are_errors_whatever_stands_in_the_text(message, code, data):
    decoded = json.loads(encode_error(None, code, message, data))
    expected = {"code": code, "message": message} | ({} if data is None else {"data": {"k": [1]}})
    assert decoded == {"jsonrpc": "2.0", "id": None, "error": expected}


@pytest.mark.parametrize(
    "text", [b'{"jsonrpc":"2.0","id":1,"method":"a","params":null}', b'{"jsonrpc":"2.0","method":"a","params":null}']
)
def test_params_that_are_null_are_none(text):
    message = parse_message(text)
    assert message.method == "a"
    assert message.params is None
