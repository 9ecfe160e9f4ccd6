"""The short way through an answer beside the long one: what both say of it is the same."""

import json

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.support.examples import examples
from tests.support.mutation import mutated
from vmcp_proxy.core.owners.handed_out import may_hand_out, names_page, uris_of
from vmcp_proxy.protocol.jsonrpc import (
    PlainMarks,
    Response,
    encode_answer,
    encode_result,
    parse_answer,
    parse_message,
    size_of,
)
from vmcp_proxy.protocol.params import inbound_result, marks_of
from vmcp_proxy.serve.legacy.fitting import fit_tool_result

RESULTS = [
    b'{"content":[{"type":"text","text":"a \\"quoted\\" text\\n"}],"isError":true}',
    b'{"isError":false,"_meta":{"vmcp.dev/x":1,"kept":[1,{}]},"content":[]}',
    b'{"\\u005fmeta":{"io.modelcontextprotocol/serverInfo":1},"_meta":{"k":1},"is\\u0045rror":true}',
    b'{"isError":"yes","_meta":{"vmcp.dev/x":1}}',
    b'{"isError":null,"_meta":null}',
    '{"text":"Größe 漢字 🙂","cut":"\\ud83d","n":123456789012345678901234567890}'.encode(),
    b'{"structuredContent":[1],"content":[],"_meta":{"vmcp.dev/x":1}}',
    b'{"structured\\u0043ontent":null,"structuredContent":{"a":[]},"content":[]}',
    b'{"content":[],"isError":5,"structuredContent":"\\ud83d"}',
    b'{"content":[{"text":"x","type":"text"},{"type":"image","data":"","mimeType":"image/png"}]}',
    b'{"content":[{"type":"resource_link","uri":"file:///a","name":"a"}],"isError":true}',
    b'{"content":[{"type":"text","text":"\\"resource\\""},{"type":"resource","resource":{"uri":"ui://a"}}]}',
    b'{"messages":[{"role":"user","content":{"type":"resource","resource":{"uri":"file:///b"}}}]}',
    b'{"content":[],"_meta":{"ui":{"resourceUri":"ui://page"}}}',
    b"{}",
    b"[]",
]
ORDERS = [
    b'{"jsonrpc":"2.0","id":7,"result":%b}',
    b'{"result":%b,"jsonrpc":"2.0","id":7}',
    b'{"result":%b,"id":7,"jsonrpc":"2.0"}',
    b'{"id":7,"jsonrpc":"2.0","result":%b}\n',
    b'{"jsonrpc":"2.0","id":7,"result":%b}\r\n ',
]
BODIES = [order % result for order in ORDERS for result in RESULTS]
PIECES = (b"{", b"}", b"}}", b'"', b"\\", b",", b'"id":8', b',"id":7}', b'"result":{}', b',"error":{}', b" ", b"\xff")


def said(message) -> object:
    """What a caller makes of a message; blanks around a result may come or not."""
    if not isinstance(message, Response) or message.result is None:
        return message
    marks = marks_of(message.result) if message.marks is None else message.marks
    relayed = inbound_result(message.result, message.marks)
    texts = (message.result, relayed, fit_tool_result(relayed, marks))
    is_looked_into = may_hand_out(relayed, message.marks)
    handed_out = (uris_of(relayed), names_page(relayed)) if is_looked_into else ([], False)
    return message.id, marks.is_error, *handed_out, *(bytes(text).strip() for text in texts)


@settings(max_examples=examples(1500))
@given(mutated(BODIES, PIECES, most=3))
@example(b'{"jsonrpc":"2.0","id":7,"result":{},"id":8,"x":{}}')
@example(b'{"jsonrpc":"2.0","id":7,"result":{},"result":{"isError":true}}')
@example(b'{"jsonrpc":"2.0","id":7,"result":}')
@example(b'{"jsonrpc":"2.0","id":7,"result":')
@example(b'{"result":,"jsonrpc":"2.0","id":7}')
@example(b'{"result": {"isError":true},"jsonrpc":"2.0","id":7}')
@example(b'{"result":{},"error":{},"jsonrpc":"2.0","id":7}')
def test_the_short_way_says_what_the_long_way_says(body):
    assert said(parse_answer(body, b"7")) == said(parse_message(body))


@given(st.dictionaries(st.text(st.characters(exclude_categories=("Cs",))), st.integers() | st.text() | st.booleans()))
def test_an_answer_of_any_members_comes_back_to_the_byte(members):
    raw = json.dumps(members).encode()
    answer = parse_answer(encode_result(b"12", raw), b"12")
    assert isinstance(answer, Response)
    assert (answer.id, bytes(answer.result)) == (b"12", raw)


@given(st.integers(0, 200_000), st.sampled_from((bytes, msgspec.Raw)))
@example((64 << 10) - 1, bytes)
@example(64 << 10, msgspec.Raw)
def test_an_answer_in_parts_is_the_text_of_a_whole_one(size, kind):
    raw = b"7" * size
    answer = encode_answer(b'"a"', kind(raw))
    assert b"".join((answer,) if isinstance(answer, bytes) else answer) == encode_result(b'"a"', raw)
    assert size_of(answer) == len(encode_result(b'"a"', raw))


def test_a_large_result_is_not_copied_into_its_answer():
    result = msgspec.Raw(b'{"text":"%b"}' % (b"x" * (64 << 10)))
    assert [part.obj is result for part in encode_answer(b"1", result) if isinstance(part, memoryview)] == [True]


@pytest.mark.parametrize("order", ORDERS[:3])
def test_the_usual_orders_of_members_are_read_in_one_pass(order):
    answer = parse_answer(order % RESULTS[0], b"7")
    assert isinstance(answer, Response)
    assert answer.marks is not None
    assert answer.marks.is_error


def test_an_answer_may_not_bring_a_second_id_along():
    """The client would take it for the answer to another request of its own."""
    body = b'{"jsonrpc":"2.0","id":7,"result":{"content":[]},"id":7}'
    answer = parse_answer(body, b"7")
    assert isinstance(answer, Response)
    assert bytes(answer.result) == b'{"content":[]}'


def test_an_answer_to_another_request_keeps_its_own_id():
    answer = parse_answer(b'{"jsonrpc":"2.0","id":70,"result":{}}', b"7")
    assert isinstance(answer, Response)
    assert answer.id == b"70"


def test_plain_contents_are_told_apart_in_the_same_pass():
    answer = parse_answer(ORDERS[0] % b'{"content":[{"type":"text","text":"\\"resource\\""}]}', b"7")
    assert isinstance(answer, Response)
    assert isinstance(answer.marks, PlainMarks)
    assert not may_hand_out(answer.result, answer.marks)


def test_no_more_contents_are_kept_than_a_result_has_in_reason():
    contents = b",".join([b'{"type":"text"}'] * 1001)
    answer = parse_answer(ORDERS[0] % (b'{"isError":true,"content":[%b]}' % contents), b"7")
    assert isinstance(answer, Response)
    assert answer.marks is not None
    assert (answer.marks.is_error, isinstance(answer.marks, PlainMarks)) == (True, False)
