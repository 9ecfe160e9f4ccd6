"""Messages that are nearly right go through all of the reading: a value or a refusal at each step, never a crash."""

import contextlib
import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.examples import examples
from tests.support.mutation import mutated
from vmcp_proxy.core.calls.notifications import relayed
from vmcp_proxy.core.catalog.pagination import BadCursor, encode_cursor, parse_cursor
from vmcp_proxy.core.listings.builder import BadListing, ListingBuilder, ListingLimits, Page, parse_page
from vmcp_proxy.protocol import jsonrpc, params
from vmcp_proxy.protocol.initialize import encode_client_hello, parse_client_hello, parse_server_hello
from vmcp_proxy.protocol.jsonrpc import Malformed, Notification, Request, Response, parse_message
from vmcp_proxy.protocol.kinds import Kind
from vmcp_proxy.protocol.methods import read_reference
from vmcp_proxy.protocol.params import InvalidParamsError
from vmcp_proxy.protocol.sse import EventTooLargeError, SseParser, encode_event
from vmcp_proxy.sessions import Keyring, SessionIds
from vmcp_proxy.sessions.keyed.sealing import seal, unseal
from vmcp_proxy.sessions.store.record import SessionRecord, parse_record

pytestmark = pytest.mark.scenario("X-1")

REQUESTS = [
    b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","arguments":{"x":[1]},"_meta":{"progressToken":1,"a":0}}}',
    b'{"jsonrpc":"2.0","id":"i","method":"completion/complete","params":{"ref":{"type":"ref/prompt","name":"a"}}}',
    b'{"jsonrpc":"2.0","id":2,"method":"resources/read","params":{"uri":"test://a"}}',
    b'{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","clientInfo":{}}}',
]
ANSWERS = [
    b'{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"t"}],"isError":true,"_meta":{"vmcp.dev/a":1}}}',
    b'{"jsonrpc":"2.0","id":1,"error":{"code":-32000,"message":"m","data":{"a":[1]}}}',
    b'{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"instructions":""}}',
    b'{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1,"progress":0.5,"total":1}}',
    b'{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","logger":"l","data":"d"}}',
]
LISTS = {
    Kind.TOOL: b'{"tools":[{"name":"a","inputSchema":{"type":"object"}},{"name":"b"}],"nextCursor":"2","_meta":{}}',
    Kind.RESOURCE: b'{"resources":[{"uri":"test://a","name":"a"},{"uri":"x","name":"y","size":1}],"nextCursor":""}',
    Kind.TEMPLATE: b'{"resourceTemplates":[{"uriTemplate":"test://{a}","name":"a"},{"uriTemplate":"{","name":""}]}',
    Kind.PROMPT: b'{"prompts":[{"name":"a","arguments":[{"name":"x","required":true}]}],"nextCursor":null}',
}
LIMITS = ListingLimits(pages=3, items=5, bytes=1_000_000)


def is_json(data: bytes) -> bool:
    try:
        json.loads(data)
    except ValueError as error:
        # The reference has a bound on the digits of a number, which JSON does not have.
        return "integer string conversion" in str(error)
    except RecursionError:
        return True
    return True


@settings(max_examples=examples(600))
@given(mutated(REQUESTS))
def test_what_a_client_may_send_is_read_to_its_end_or_refused(body):
    message = parse_message(body)
    if isinstance(message, Malformed):
        assert is_json(jsonrpc.encode_error(message.id, message.code, message.message))
    if not isinstance(message, Request):
        return
    assert is_json(jsonrpc.encode_result(message.id, b"{}"))
    with contextlib.suppress(InvalidParamsError):
        members = params.parse_members(message.params)
        token = params.outbound_meta(members, 7)
        assert token is None or is_json(bytes(token))
        assert is_json(params.encode_members(members))
        for method in ("tools/call", "resources/read", "completion/complete"):
            assert isinstance(read_reference(method, message.params).name, str)
    try:
        hello = parse_client_hello(message.params)
    except InvalidParamsError:
        return
    assert is_json(hello.client_info)
    assert is_json(encode_client_hello(hello.capabilities, "1"))
    assert hello.version in {"2025-11-25", "2025-06-18"}


@settings(max_examples=examples(600))
@given(mutated(ANSWERS), st.none() | st.sampled_from(["debug", "error"]))
def test_what_a_backend_may_answer_is_read_to_its_end_or_refused(body, level):
    message = parse_message(body)
    if isinstance(message, Notification):
        token = params.raw_text("token")
        sent = relayed(message.method, message.params, backend="b", client_token=token, log_level=level, uri_of=str)
        assert sent is None or is_json(sent)
    if not isinstance(message, Response) or message.result is None:
        return
    assert isinstance(params.marks_of(message.result).is_error, bool)
    assert is_json(bytes(params.inbound_result(message.result)))
    try:
        hello = parse_server_hello(message.result)
    except InvalidParamsError:
        return
    assert hello.offers <= {"tools", "resources", "prompts", "completions", "logging"}


@pytest.mark.parametrize("kind", Kind)
@settings(max_examples=examples(300))
@given(data=st.data())
def test_what_a_backend_may_list_is_a_page_or_is_none_and_every_entry_is_json(kind, data):
    raw = data.draw(mutated([LISTS[kind]], most=5))
    page = parse_page(kind, raw, LIMITS)
    assert isinstance(page, Page | BadListing)
    builder = ListingBuilder("one", LIMITS)
    builder.add(kind, raw)
    listing = builder.build()
    for item in (*listing.tools, *listing.resources, *listing.templates, *listing.prompts):
        assert is_json(item.raw)
    for dropped in listing.dropped:
        assert dropped.name.isprintable()
        assert len(dropped.name) < 500


STREAMS = [
    b"".join(map(encode_event, ANSWERS)),
    b": c\r\n\r\nid: 1\r\nevent: message\r\nretry: 5\r\ndata: {\r\ndata: }\r\n\r\n",
    b"\xef\xbb\xbfdata:" + ANSWERS[0] + b"\r\rdata: x",
]
SSE_PIECES = (b"\r", b"\n", b"\r\n", b"\n\n", b":", b"data:", b"data", b"id: \0", b"retry: 1e9", b"\xff", b"x" * 3000)


@settings(max_examples=examples(400))
@given(mutated(STREAMS, SSE_PIECES, most=6), st.integers(1, 64) | st.just(100_000))
def test_any_stream_ends_in_messages_or_in_one_refusal(stream, size):
    parser = SseParser(2048)
    try:
        for start in range(0, len(stream), size):
            for event in parser.feed(stream[start : start + size]):
                assert len(event.data) <= 2048
                parse_message(event.data)
    except EventTooLargeError:
        assert len(stream) > 1024


@settings(max_examples=examples(400))
@given(st.sampled_from(Kind), st.text(min_size=1, max_size=20), st.data())
def test_of_all_cursors_only_ours_are_read(kind, name, data):
    try:
        seed = encode_cursor(kind, name)
    except UnicodeEncodeError:
        return
    pieces = (b"=", b"-", b"+", b"/", b"\n", b"A", b"\xff", b"Cg")
    cursor = data.draw(mutated([seed.encode()], pieces)).decode("latin-1")
    found = parse_cursor(kind, cursor)
    assert isinstance(found, BadCursor) or encode_cursor(kind, found) == cursor
    for other in Kind:
        assert other is kind or isinstance(parse_cursor(other, seed), BadCursor)


RING = Keyring.of({"1": b"a" * 32, "2": b"b" * 32})
IDS = SessionIds(RING)


@settings(max_examples=examples(400))
@given(st.data())
def test_no_id_but_a_minted_one_is_recognised_and_no_seal_but_a_whole_one_opens(data):
    minted = IDS.mint()
    text = data.draw(mutated([minted.encode()], (b".", b"=", b"-", b"_", b"v1", b"v2", b".1.", b"\0", b"\xff"))).decode(
        "latin-1"
    )
    digest = IDS.digest_of(minted)
    assert digest is not None
    assert (IDS.digest_of(text) is None) == (text != minted)
    sealed = seal(RING, digest, "one", b"token")
    opened = data.draw(mutated([sealed], (b"\0", b"\xff")))
    assert unseal(RING, digest, "one", opened) == (b"token" if opened == sealed else None)


RECORD = SessionRecord(b"b", b"f", "2025-11-25", b"{}", (("one", b"sealed"),)).encode()


@settings(max_examples=examples(300))
@given(st.dictionaries(st.sampled_from([*RECORD, b"backend:\xff", b"backend:", b"\xff"]), st.binary(max_size=9)))
def test_any_fields_in_the_store_are_a_record_or_none(fields):
    whole = RECORD.keys() <= fields.keys()
    assert parse_record(fields) is None or whole or {b"backend:one"} == RECORD.keys() - fields.keys()


@pytest.mark.parametrize("filler", [b"\n", b"\r", b":\r", b"\r\n", b": c\n", b"data:\n\n", b"id\n", b"data: {}\n\n"])
def test_a_stream_of_nothing_costs_time_in_proportion(filler):
    def once(size: int) -> float:
        began = time.process_time()
        SseParser(1 << 20).feed((filler * size)[:size])
        return time.process_time() - began

    def seconds(size: int) -> float:
        # The least of several: a busy machine and a collection of garbage make single ones longer.
        return min(once(size) for _ in range(4))

    # Eight times as much takes eight times as long; were it quadratic, 64 times.
    assert seconds(1 << 18) < 25 * max(seconds(1 << 15), 0.0003)
