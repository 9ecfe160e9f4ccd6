"""Event streams in pieces of any size, beside a reference that reads the whole text at once."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from vmcp_proxy.protocol.sse import KEEP_ALIVE, Event, EventTooLargeError, SseParser, encode_event

LIMIT = 1 << 20
LINE_END = re.compile(rb"\r\n|\r|\n")


def reference(stream: bytes) -> list[Event]:
    """The algorithm of WHATWG HTML section 9.2.6 over complete lines; what no blank line ends is dropped."""
    lines = LINE_END.split(stream.removeprefix(b"\xef\xbb\xbf"))[:-1]
    events: list[Event] = []
    data: list[bytes] = []
    kind, last_id, retry = "", None, None
    for line in lines:
        if not line:
            if data or last_id is not None or retry is not None:
                events.append(Event(b"\n".join(data), kind or "message", last_id, retry))
            data, kind, last_id, retry = [], "", None, None
            continue
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            data.append(value)
        elif name == b"event":
            kind = value.decode("utf-8", "replace")
        elif name == b"id" and b"\0" not in value:
            last_id = value
        elif name == b"retry" and re.fullmatch(rb"[0-9]{1,9}", value):
            retry = int(value)
    return events


def parsed(stream: bytes, sizes: list[int]) -> list[Event]:
    parser = SseParser(LIMIT)
    events: list[Event] = []
    start = 0
    for size in sizes:
        events += parser.feed(stream[start : start + size])
        start += size
    return events + parser.feed(stream[start:])


def feed_in_sevens(parser: SseParser, stream: bytes) -> None:
    for start in range(0, len(stream), 7):
        parser.feed(stream[start : start + 7])


PIECES = st.sampled_from(
    [
        b"data: {}",
        b"data:x",
        b"data:  two",
        b"data",
        b": comment",
        b"event: e",
        b"id: 1",
        b"id",
        b"id: a\0b",
        b"retry: 5",
        b"retry: x",
        b"retry: 99999999999",
        b"unknown: y",
        b"\xff\xfe",
        b"",
        b"",
    ]
)
STREAMS = st.lists(st.tuples(PIECES, st.sampled_from([b"\n", b"\r", b"\r\n"])), max_size=20).map(
    lambda lines: b"".join(line + end for line, end in lines)
)


@given(
    STREAMS | st.binary(max_size=80), st.lists(st.integers(0, 7), max_size=60), st.sampled_from([b"", b"\xef\xbb\xbf"])
)
@example(b"data: a\r\n\r\ndata: b\r\n\r\n", [1] * 30, b"")
@example(b"data: a\r\r\n", [8, 1], b"")
@example(b"data: a\n\n", [1, 1, 1], b"\xef\xbb\xbf")
def test_any_chunking_gives_what_the_whole_text_gives(stream, sizes, mark):
    whole = mark + stream
    # A last CR may be half of a line end: the reference sees it as a whole one, and so does the parser.
    assert parsed(whole, sizes) == reference(whole)


@given(st.binary(min_size=1, max_size=300))
def test_no_bytes_make_the_parser_raise_anything_but_too_large(stream):
    parser = SseParser(64)
    try:
        for start in range(len(stream)):
            parser.feed(stream[start : start + 1])
    except EventTooLargeError:
        assert len(stream) > 60


@pytest.mark.parametrize(
    "stream",
    [b"x" * 2000, b"data: " + b"x" * 2000, b"data: xxxxxxxxx\n" * 200, b"data:\n" * 2000, b"data: x\r" * 500],
)
def test_an_event_beyond_the_bound_is_refused_however_it_comes(stream):
    with pytest.raises(EventTooLargeError):
        feed_in_sevens(SseParser(1000), stream)


def test_many_small_events_are_no_large_one():
    parser = SseParser(64)
    assert len(parser.feed(b"data: 12345678\n\n" * 1000)) == 1000
    for _ in range(1000):
        assert parser.feed(b": only a comment\n") == []


@given(st.text(st.characters(exclude_categories=("Cs",))))
def test_what_is_encoded_is_one_event_with_the_same_json(text):
    message = text.encode()
    (event,) = SseParser(LIMIT).feed(encode_event(b'{"k":1}' + message))
    assert event.event == "message"
    expected = b'{"k":1}' + message
    assert event.data == expected.replace(b"\r", b" ").replace(b"\n", b" ")


def test_a_keep_alive_is_no_event():
    assert SseParser(100).feed(KEEP_ALIVE) == []
