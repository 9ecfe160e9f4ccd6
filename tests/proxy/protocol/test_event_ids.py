"""Ids of events: what is encoded is read back, and nothing else is."""

import base64
import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmcp_proxy.protocol.event_ids import MAX_REQUEST_BYTES, EventId, encode_end, encode_prefix, parse_event_id

REQUESTS = (
    st.none()
    | st.integers().map(lambda number: b"%d" % number)
    | st.text(max_size=20).map(lambda text: json.dumps(text).encode())
)


@pytest.mark.scenario("P-10")
@given(st.binary(min_size=1, max_size=8), st.integers(0, 2**60), st.integers(0, 2**60), REQUESTS)
def test_an_id_tells_the_stream_the_place_and_the_request(pod, stream, sequence, request):
    if request is not None and len(request) > MAX_REQUEST_BYTES:
        return
    text = encode_prefix(pod.hex().encode(), stream, request) + b"%x" % sequence
    expected = EventId(pod.hex().encode(), stream, sequence, request)
    assert parse_event_id(text) == expected
    marked = parse_event_id(encode_end(text))
    assert marked == (None if request is None else replace(expected, is_end=True))


@pytest.mark.scenario("P-10", "X-1")
@given(st.binary(max_size=400))
def test_anything_else_is_no_id_and_no_crash(raw):
    seen = parse_event_id(raw)
    assert seen is None or b"." in raw


@pytest.mark.scenario("P-10")
@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"a.1",
        b"a.1.2.3.4",
        b"a.1." + base64.urlsafe_b64encode(b'{"a":1}').rstrip(b"=") + b".1",
        b"a.1." + base64.urlsafe_b64encode(b'1,"error":{}').rstrip(b"=") + b".1",
        b"a.1." + base64.urlsafe_b64encode(b"null").rstrip(b"=") + b".1",
        b"a.1." + base64.urlsafe_b64encode(b'"\xff"').rstrip(b"=") + b".1",
        b"a.1." + b"A" * 171 + b".1.",
        b"a.1.A.1",
        b"A.1.1",
        b"a.1.1\n",
        b"a.1.1.end",
        b"a.1.MQ.1.end.end",
        b"a.1.MQ.end",
        b"a." + b"1" * 17 + b".1",
    ],
)
def test_a_forged_id_is_none(raw):
    assert parse_event_id(raw) is None


def test_no_header_is_no_id():
    assert parse_event_id(None) is None
