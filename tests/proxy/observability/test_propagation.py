"""W3C Trace Context and Baggage as they come: read by the letter, or not at all."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.trace.sampling import TraceIdRatioBased

from vmcp_proxy.observability.tracing.attributes import clean_uri, method_of, request_attributes, span_name
from vmcp_proxy.observability.tracing.propagation import (
    NOTHING,
    TraceParent,
    allowed_baggage,
    clean_tracestate,
    parse_traceparent,
    read_headers,
    read_meta,
    write,
)
from vmcp_proxy.observability.tracing.sampler import Sampler
from vmcp_proxy.protocol.kinds import Kind

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
GOOD = f"00-{TRACE}-{SPAN}-01"


@pytest.mark.parametrize(
    ("text", "flags"),
    [
        (GOOD, 1),
        (f"00-{TRACE}-{SPAN}-00", 0),
        (f"00-{TRACE}-{SPAN}-ff", 255),
        (f"01-{TRACE}-{SPAN}-01", 1),
        (f"01-{TRACE}-{SPAN}-01-what-comes-later", 1),
        (f"{GOOD}-more", None),
        (f"01-{TRACE}-{SPAN}-01more", None),
        (f"ff-{TRACE}-{SPAN}-01", None),
        (GOOD.upper(), None),
        (f"00-{'0' * 32}-{SPAN}-01", None),
        (f"00-{TRACE}-{'0' * 16}-01", None),
        (f"00-{TRACE[:-1]}_-{SPAN}-01", None),
        (f"00-{TRACE[1:]}-{SPAN}-01", None),
        (f" {GOOD}", None),
        (f"{GOOD}\n", None),
        ("", None),
    ],
)
def test_a_traceparent_is_read_as_its_version_says(text, flags):
    found = parse_traceparent(text)
    assert (found and found.flags) == flags
    if found is not None:
        assert (found.trace, found.span) == (TRACE, SPAN)
        assert found.text == text if text.startswith("00") else found.text == f"00-{TRACE}-{SPAN}-{flags & 3:02x}"


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("a=1,b=2", "a=1,b=2"),
        (" a=1 ,\t b=2,, ", "a=1,b=2"),
        ("fw529a3039@dt=FfAz", "fw529a3039@dt=FfAz"),
        ("a=1,a=2", ""),
        ("A=1", ""),
        ("a", ""),
        ("a=", ""),
        ("a=x=y", ""),
        ("a=é", ""),
        ("a=1\r\nx: y", ""),
        (",".join(f"k{n}=v" for n in range(32)), ",".join(f"k{n}=v" for n in range(32))),
        (",".join(f"k{n}=v" for n in range(33)), ""),
        ("a=" + "x" * 257, ""),
    ],
)
def test_a_tracestate_is_kept_whole_or_not_at_all(text, kept):
    assert clean_tracestate(text) == kept


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("tenant=a", "tenant=a"),
        ("other=1,tenant = a%20b ; p ; q=1", "tenant = a%20b ; p ; q=1"),
        ("tenant=a,tenant=b", "tenant=a,tenant=b"),
        ('tenant="a"', ""),
        ("tenant=a b", ""),
        ("TENANT=a", ""),
        ("tenant", ""),
        ("tenant=a\r\nx: y", ""),
        ("tenant=" + "a" * 8192, ""),
    ],
)
def test_of_baggage_the_allowed_members_are_kept_as_they_are(text, kept):
    assert allowed_baggage(text, frozenset({"tenant"})) == kept
    assert allowed_baggage(text, frozenset()) == ""


def test_two_traceparents_are_none_and_split_states_are_one():
    state = [(b"tracestate", b"a=1"), (b"tracestate", b"b=2")]
    assert read_headers([(b"traceparent", GOOD.encode()), *state], frozenset()).state == "a=1,b=2"
    assert read_headers([(b"traceparent", GOOD.encode())] * 2 + state, frozenset()) == NOTHING


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.just(GOOD) | st.just("a=1"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from(["traceparent", "tracestate", "baggage", "x"]), json_values), st.text())
def test_whatever_stands_in_meta_what_goes_out_can_be_a_header(meta, other):
    found = read_meta(json.dumps({**meta, other: 1}).encode(), frozenset({"a"}))
    if found.parent is None:
        assert found.state == ""
        return
    assert found.parent == TraceParent(TRACE, SPAN, 1, GOOD)
    out = write(found.parent.text.encode(), found.state, found.baggage)
    assert {name.decode(): value.decode() for name, value in out.headers} == json.loads(bytes(out.meta))
    assert all(0x20 <= byte < 0x7F for _, value in out.headers for byte in value)


@given(st.integers(0, 2**128 - 1), st.floats(0, 1))
def test_the_share_of_traces_is_taken_as_the_sdk_takes_it(trace, ratio):
    asked = TraceIdRatioBased(ratio).should_sample(None, trace, "x").decision.is_sampled()
    assert Sampler(ratio).takes(trace & (2**64 - 1)) is asked


def test_names_and_uris_are_bounded_and_tell_no_secret():
    assert clean_uri("https://user:pw@host/a?token=1#x") == "https://host/a"
    assert clean_uri("data:text/plain;base64,c2VjcmV0") == "data:"
    assert clean_uri("file:///etc/x") == "file:///etc/x"
    assert len(clean_uri("a://" + "x" * 9999)) == 256
    assert span_name("tools/call", Kind.TOOL, "a" * 999) == "tools/call " + "a" * 128
    assert span_name("resources/read", Kind.RESOURCE, "a://b") == "resources/read"
    assert span_name("no/" + "x" * 999, None, "") == "other"
    made = request_attributes("tools/call", Kind.TOOL, "t" * 999, b'"' + b"i" * 500 + b'"')
    assert {len(value) for value in made.values()} <= {10, 12, 128}


def test_a_baggage_of_blanks_and_properties_takes_no_more_time_than_it_is_long():
    allowed = frozenset({"tenant"})
    assert allowed_baggage("tenant=1" + (";b=" + " " * 8) * 700 + '"', allowed) == ""
    whole = "tenant=1" + ";b=2\t; c = 3 " * 500
    assert allowed_baggage(whole, allowed) == whole.strip()


def test_names_of_spans_are_those_of_mcp_whatever_clients_send():
    names = ("notifications/cancelled", "notifications/made/up", "ping", "made/up")
    assert list(map(method_of, names)) == ["notifications/cancelled", "notifications/other", "ping", "other"]
