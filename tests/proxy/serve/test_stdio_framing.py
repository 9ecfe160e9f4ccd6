"""Lines of a stdio client, however the bytes arrive."""

import pytest

from vmcp_proxy.serve.stdio.framing import LineBuffer, TooLong


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
def test_lines_are_the_same_whatever_the_chunks(size):
    text = b'{"a":1}\r\n\n  \n{"b":"\xc3\xa4"}\nrest'
    buffer = LineBuffer(64)
    lines = [line for at in range(0, len(text), size) for line in buffer.feed(text[at : at + size])]
    assert [*lines, *buffer.end()] == [b'{"a":1}', b'{"b":"\xc3\xa4"}', b"rest"]


@pytest.mark.parametrize("size", [1, 50, 10_000])
@pytest.mark.parametrize(
    ("line", "request_id"),
    [
        (b'{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"x":"%b"}}', b"7"),
        (b'{"id": "a-1", "method":"tools/call","params":{"x":"%b"}}', b'"a-1"'),
        (b'{"method":"tools/call","params":{"x":"%b"},"jsonrpc":"2.0","id":8}', b"8"),
        (b'{"method":"tools/call","params":{"x":"%b","id":9}}', None),
        (b'{"method":"tools/call","params":{"x":"%b,\\"id\\":9}"}}', None),
        (b'{"jsonrpc":"2.0","id":7,"result":{"x":"%b"}}', None),
        (b"%b", None),
    ],
)
def test_a_line_over_the_limit_is_not_kept_but_its_id_is_known_where_it_is_beyond_doubt(size, line, request_id):
    text = line % (b"x" * 5000) + b"\n{}\n"
    buffer = LineBuffer(1000)
    found = [line for at in range(0, len(text), size) for line in buffer.feed(text[at : at + size])]
    assert isinstance(found[0], TooLong)
    assert (found[0].request_id, found[0].size) == (request_id, len(text) - 4)
    assert found[1:] == [b"{}"]


def test_a_line_of_just_the_limit_is_a_line():
    assert LineBuffer(3).feed(b"abc\nabcd\n") == [b"abc", TooLong(4, b"abcd", b"abcd")]
