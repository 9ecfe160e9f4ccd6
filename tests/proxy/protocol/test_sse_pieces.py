"""Long lines of an event stream, cut anywhere: the same events as in one piece, and memory in proportion."""

import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.examples import examples
from vmcp_proxy.protocol.sse import Event, EventTooLargeError, SseParser

LIMIT = 1 << 20
BOM = b"\xef\xbb\xbf"


def in_pieces(stream: bytes, cuts: list[int]) -> list[Event]:
    parser = SseParser(LIMIT)
    events: list[Event] = []
    start = 0
    for cut in [*sorted(cuts), len(stream)]:
        events += parser.feed(stream[start:cut])
        start = max(start, cut)
    return events


def line(name: bytes, size: int) -> bytes:
    return name + bytes(97 + index % 26 for index in range(size))


LINES = st.builds(
    line,
    st.sampled_from([b"data: ", b"data:", b"data", b"", b"id: ", b": ", BOM + b"data: "]),
    st.sampled_from([0, 1, 4095, 4096, 4097, 9000, 20_000]),
)
STREAMS = st.lists(st.tuples(LINES, st.sampled_from([b"\n", b"\r", b"\r\n", b"\n\n", b"\r\n\r\n"])), max_size=5).map(
    lambda lines: b"".join(text + end for text, end in lines)
)


@settings(max_examples=examples(300))
@given(STREAMS, st.data())
def test_long_lines_are_the_same_events_wherever_they_are_cut(stream, data):
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=12))
    assert in_pieces(stream, cuts) == in_pieces(stream, [])


@pytest.mark.parametrize("cut", range(1, 9))
def test_a_cut_within_the_name_of_a_line_does_not_matter(cut):
    text = b"x" * 10_000
    assert in_pieces(b"data: " + text + b"\n\n", [cut, cut + 5000]) == [Event(text)]


def test_a_line_that_comes_byte_by_byte_is_held_in_about_its_own_size():
    parser = SseParser(LIMIT)
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(200_000):
            parser.feed(b"x")
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 600_000


def test_an_event_beyond_the_bound_is_refused_in_large_pieces_too():
    parser = SseParser(100_000)
    piece = b"data: " + b"x" * 40_000
    assert parser.feed(piece) == parser.feed(piece) == []
    with pytest.raises(EventTooLargeError):
        parser.feed(piece)


def test_lines_that_end_in_cr_before_a_far_lf_cost_time_in_proportion():
    # Quadratic, this would take minutes.
    events = SseParser(1 << 24).feed(b"data: x\r\r" * 200_000 + b"\n")
    assert len(events) == 200_000
