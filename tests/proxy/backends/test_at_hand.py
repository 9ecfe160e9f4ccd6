"""A result that has come with its head is taken at once, and all else is left to who waits for it."""

import pytest

from vmcp_proxy.backends.budget import ReadBudget
from vmcp_proxy.backends.streamable.reader import HttpReader
from vmcp_proxy.http_client import Response, ResponseHeaders

RESULT = b'{"jsonrpc":"2.0","id":7,"result":{"content":[{"type":"text","text":"hi"}]}}'
JSON = b"application/json"


EVENT = b"event: message\ndata: " + RESULT + b"\n\n"
EVENTS = b"text/event-stream"


class Nowhere:
    """A connection that nobody reads; notes of which response it was let go."""

    def __init__(self):
        self.settled = []

    def settle(self, message):
        self.settled.append(message)


def response(parts: list[bytes], kind: bytes = JSON, *, is_complete: bool = True) -> Response:
    made = Response(Nowhere())
    made.status, made.has_head, made.complete = 200, True, is_complete
    made.headers = ResponseHeaders(((b"content-type", kind),))
    made.parts, made.size = parts, sum(map(len, parts))
    return made


def reader() -> HttpReader:
    return HttpReader("one", 1000, ReadBudget())


@pytest.mark.parametrize("kind", [JSON, b"Application/JSON; charset=utf-8"])
@pytest.mark.parametrize("parts", [[RESULT], [RESULT[:9], RESULT[9:]]])
def test_a_whole_result_is_read_at_once_and_its_bytes_are_let_go_of(kind, parts):
    given = response(parts, kind)
    answer = reader().at_hand(given, b"7")
    assert answer is not None
    assert bytes(answer.result) == b'{"content":[{"type":"text","text":"hi"}]}'
    assert given.size == 0


@pytest.mark.parametrize("event", [EVENT, EVENT.replace(b"\n", b"\r\n")], ids=["LF", "CRLF"])
@pytest.mark.parametrize("is_complete", [True, False])
def test_the_one_event_of_a_stream_is_read_at_once_and_a_stream_that_goes_on_is_let_go_of(event, is_complete):
    given = response([event], EVENTS, is_complete=is_complete)
    answer = reader().at_hand(given, b"7")
    assert answer is not None
    assert bytes(answer.result) == b'{"content":[{"type":"text","text":"hi"}]}'
    assert given.size == 0
    assert given._source.settled == ([] if is_complete else [given])


@pytest.mark.parametrize(
    "given",
    [
        response([RESULT], is_complete=False),
        response([RESULT], b"text/event-stream"),
        response([RESULT.replace(b"7", b"8")]),
        response([RESULT.replace(b'"result"', b'"error"')]),
        response([b"[" + RESULT + b"]"]),
        response([RESULT.replace(b'"hi"', b'"\xff"')]),
        response([RESULT.replace(b"hi", b"h" * 1000)]),
        response([], EVENTS, is_complete=False),
        response([EVENT[:-1]], EVENTS, is_complete=False),
        response([EVENT[:9], EVENT[9:]], EVENTS),
        response([EVENT + EVENT], EVENTS),
        response([EVENT.replace(b",", b",\ndata: ")], EVENTS),
        response([EVENT.replace(b",", b",\r")], EVENTS),
        response([b"id: 1\n" + EVENT], EVENTS),
        response([EVENT.replace(b"7", b"8")], EVENTS),
        response([EVENT], b"text/plain"),
    ],
    ids=[
        "not whole",
        "events",
        "another id",
        "an error",
        "an array",
        "no UTF-8",
        "too large",
        "no event yet",
        "an event not whole",
        "an event in pieces",
        "two events",
        "lines",
        "a line that ends in CR",
        "an event id",
        "another id of an event",
        "another type",
    ],
)
def test_what_is_no_such_result_is_left_as_it_is(given):
    before = list(given.parts)
    assert reader().at_hand(given, b"7") is None
    assert given.parts == before
    assert not given._source.settled
