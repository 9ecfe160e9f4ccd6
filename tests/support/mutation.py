"""Byte strings that are nearly right: what fuzzing feeds to parsers."""

from collections.abc import Sequence

from hypothesis import strategies as st

JSON_PIECES = (
    b"{", b"}", b"[", b"]", b'"', b":", b",", b"\\", b"null", b"true", b"NaN", b"-", b"1e999", b"9" * 400, b"\\u0000",
    b"\\ud800", b"\\udc00\\ud800", b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\0", b"\r\n", b"\x1b[2J",
    b'"id"', b'"method"', b'"params"', b'"result"', b'"error"', b'"_meta"', b'"jsonrpc":"2.0"', b"[" * 300, b"{}",
)  # fmt: skip

HTTP_PIECES = (
    b"\r\n", b"\r\n\r\n", b"\n", b"\r", b"\0", b":", b": ", b" ", b"\t", b"\xff", b"%ff", b"%00", b"/../", b"//", b"?",
    b"#", b"GET ", b"POST ", b"PRI * HTTP/2.0", b"HTTP/1.0", b"HTTP/9.9", b"chunked", b"Content-Length: 5\r\n",
    b"Transfer-Encoding: chunked\r\n", b"Expect: 100-continue\r\n", b"Upgrade: websocket\r\n",
    b"Connection: upgrade\r\n",
    b"Connection: close, te\r\n", b"0\r\n\r\n", b"ffffffffffffffff\r\n", b"-1", b"\xe2\x80\xa8", b"a" * 9000,
)  # fmt: skip

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**40), 10**40)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=12)
    | st.sampled_from(["", "\x00", "\ud800", "\u2028", "a" * 3000, "../..", "<script>", "{{ 7*7 }}", "\x1b[2J"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@st.composite
def mutated(draw: st.DrawFn, seeds: Sequence[bytes], pieces: Sequence[bytes] = JSON_PIECES, most: int = 4) -> bytes:
    """One of the seeds with up to `most` slices cut out, repeated, or replaced by pieces and random bytes."""
    data = draw(st.sampled_from(seeds))
    for _ in range(draw(st.integers(0, most))):
        start = draw(st.integers(0, len(data)))
        end = min(len(data), start + draw(st.integers(0, 12)))
        middle = draw(st.sampled_from(pieces) | st.binary(max_size=6) | st.just(data[start:end] * 2))
        data = data[:start] + middle + data[end:]
    return data
