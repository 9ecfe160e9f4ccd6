"""The sans-io reader: the same message however the bytes are split, and bounds on what it buffers."""

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from vmcp_proxy.http_client import PeerClosed, ProtocolError
from vmcp_proxy.http_client.reader import Message, ResponseReader

LIMIT = 1024
H = b"HTTP/1.1 200 OK\r\n"
MESSAGES = [
    H + b"Content-Length: 5\r\n\r\nhello",
    H + b"Transfer-Encoding: chunked\r\nX: \t y \r\n\r\n3\r\nhel\r\n2;a=b\r\nlo\r\n0\r\nT: u\r\n\r\n",
    b"HTTP/1.1 102 P\r\nA: b\r\n\r\n" + H + b"Content-Length: 0\r\n\r\n",
    b"HTTP/1.1 204 N\r\nB: c\r\n\r\n",
    b"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx",
    H + b"\r\nuntil the end",
    H + b"Content-Length: 5\r\n\r\nhel",
    H + b"Content-Length: 2\r\n\r\nokHTTP",
    H + b"Content-Length: x\r\n\r\n",
]


def read(pieces, *, eof=True):
    reader = ResponseReader(LIMIT)
    message = Message()
    reader.begin(message, is_head=False)
    try:
        for piece in pieces:
            reader.feed(piece)
        if eof:
            reader.feed_eof()
    except (ProtocolError, PeerClosed) as error:
        return type(error)
    return message.status, message.headers.items, b"".join(message.parts), message.complete, reader.reusable


def split(data, points):
    edges = [0, *sorted(point % (len(data) + 1) for point in points), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


@given(st.sampled_from(MESSAGES), st.lists(st.integers(0, 200), max_size=8))
def test_split_points_change_nothing(data, points):
    assert read(split(data, points)) == read([data])


@given(st.binary(max_size=200), st.sampled_from([b"", H, H + b"Transfer-Encoding: chunked\r\n\r\n"]), st.integers(1, 9))
@example(b"HTTP/1.1 101 S\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nzz", b"", 3)
def test_any_bytes_end_in_a_message_or_an_http_error(data, prefix, step):
    data = prefix + data
    read([data[start : start + step] for start in range(0, len(data), step)])


@pytest.mark.parametrize(
    ("prefix", "filler"),
    [
        (b"", b"\r\n"),
        (b"HTTP/1.1 200 ", b"O"),
        (H + b"X", b"x"),
        (H + b"X: ", b"y"),
        (H, b"X: y\r\n"),
        (b"", b"HTTP/1.1 100 C\r\n\r\n"),
        (H + b"Transfer-Encoding: chunked\r\n\r\n", b"0"),
        (H + b"Transfer-Encoding: chunked\r\n\r\n1;", b"x"),
        (H + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"T: u\r\n"),
        (H + b"Transfer-Encoding: chunked\r\n\r\n0\r\nT: ", b"u"),
    ],
)
@pytest.mark.parametrize("size", [1, 300])
def test_endless_framing_is_refused_near_the_limit(prefix, filler, size):
    reader = ResponseReader(LIMIT)
    message = Message()
    reader.begin(message, is_head=False)
    piece = filler * max(1, size // len(filler))

    def feed_above_the_limit():
        reader.feed(prefix)
        for _ in range(LIMIT // len(piece) + 2):
            reader.feed(piece)

    with pytest.raises(ProtocolError):
        feed_above_the_limit()


def test_a_head_at_the_limit_passes_and_one_above_it_does_not_even_in_one_piece():
    for size, outcome in ((LIMIT - 40, 200), (LIMIT + 1, None)):
        result = read([H + b"X: " + b"y" * size + b"\r\nContent-Length: 3000\r\n\r\n" + b"z" * 3000])
        assert result == ProtocolError if outcome is None else result[0] == outcome


def test_many_small_chunks_are_no_oversized_header():
    body = b"1;ext=1\r\nx\r\n" * 2000
    chunked = [
        H + b"Transfer-Encoding: chunked\r\n\r\n",
        *(body[i : i + 50] for i in range(0, len(body), 50)),
        b"0\r\n\r\n",
    ]
    assert read(chunked)[2:] == (b"x" * 2000, True, True)


def test_names_are_lower_case_values_trimmed_and_the_first_wins():
    message = Message()
    reader = ResponseReader(LIMIT)
    reader.begin(message, is_head=False)
    reader.feed(H + b"X-A: \t1 \r\nx-a:2\r\nEmpty:\r\nContent-Length: 2 \r\n\r\nok")
    assert message.headers.items == (
        (b"x-a", b"1"), (b"x-a", b"2"), (b"empty", b""), (b"content-length", b"2"),
    )  # fmt: skip
    assert message.headers.get(b"x-a") == b"1"
    assert message.headers.get(b"empty") == b""
    assert message.headers.get(b"none") is None
    assert message.complete
    assert reader.reusable
